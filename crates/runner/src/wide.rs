//! The steps of a rebuild. A wide one: many pages of events are folded into rows that are held in memory, and each row is written
//! once for all of them. A subscription that is renewed every month for years touches its row with every one of its events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{Position, Recorded};
use projections::{Folded, OpenRow};
use tokio_util::sync::CancellationToken;

use super::RunError;
use super::advance::{Before, Prepared, Target, Turn, keys, prepare};
use super::prefetch::Prefetch;
use super::step_size::StepSize;
use store::{Advance, RowChange, Store};

/// When a wide step ends: with the first page of events that goes beyond one of these.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows that are held.
    pub rows: usize,
    /// Stored views that are read, in bytes.
    pub documents: usize,
    /// What rows are told, in bytes of JSON: the facts of an event, for each row that it touches. Rows hardly grow by more.
    pub facts: usize,
    /// How long it is folded. What a rebuild has not written yet is lost when it is cut short, and whoever sees none of its
    /// steps for ten seconds takes it for left.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 100_000,
            documents: 32 << 20,
            facts: 192 << 20,
            time: Duration::from_secs(6),
        }
    }
}

/// A wide step that writes more than this is followed by a single page, which may make the pages smaller, in bytes.
const TOO_MUCH: usize = 128 << 20;
/// An event that is folded into a row in memory counts as so many bytes of documents.
const AN_EVENT: usize = 256;

/// What folding came to.
pub(super) enum Gathered {
    /// A step to be written.
    Step(Prepared),
    /// There is nothing to fold.
    Nothing,
    /// A row cannot be folded. What it was before the event in question is not known any more: the events have to be folded
    /// page by page.
    NotAtOnce,
}

/// How the steps of a rebuild are made: wide ones wherever that can be done.
pub(super) struct Folding<'l> {
    limits: &'l Limits,
    shutdown: &'l CancellationToken,
    /// Events of a page.
    size: StepSize,
    /// Whether a row may be folded by many pages before it is written: not once one could not be folded.
    at_once: bool,
    /// Whether the next step is a wide one.
    wide: bool,
    ahead: Option<Prefetch>,
}

impl<'l> Folding<'l> {
    /// The first step is a single page of so many events, which tells how large the rows are.
    pub(super) fn new(first: u32, limits: &'l Limits, shutdown: &'l CancellationToken) -> Self {
        Self {
            limits,
            shutdown,
            size: StepSize::beginning_with(first),
            at_once: true,
            wide: false,
            ahead: None,
        }
    }

    /// Folds the next step of the targets, which have been moved on by the step that is written meanwhile.
    ///
    /// # Errors
    /// [`RunError`] if the store fails or an event cannot be read.
    pub(super) async fn next(
        &mut self,
        store: &Arc<dyn Store>,
        targets: &[Target],
        before: &[Advance],
    ) -> Result<Gathered, RunError> {
        let page = self.size.events();
        if !self.wide {
            let step = prepare(&**store, targets, &self.size, None, before).await?;
            self.wide = self.at_once && self.size.events() >= page;
            return Ok(step.map_or(Gathered::Nothing, Gathered::Step));
        }
        let after = targets.iter().map(|target| target.generation.position).min();
        let ahead = self
            .ahead
            .get_or_insert_with(|| Prefetch::of(store, after.unwrap_or_default(), page));
        let gathered = gather(&**store, targets, ahead, self.limits, before, self.shutdown).await?;
        match &gathered {
            Gathered::Step(step) if step.steps.iter().map(Advance::size).sum::<usize>() > TOO_MUCH => {
                self.begin_anew();
                self.wide = false;
            }
            Gathered::NotAtOnce => {
                self.begin_anew();
                (self.at_once, self.wide) = (false, false);
            }
            Gathered::Step(_) | Gathered::Nothing => {}
        }
        Ok(gathered)
    }

    /// Forgets what was read ahead: the targets may be elsewhere.
    pub(super) fn begin_anew(&mut self) {
        self.ahead = None;
    }
}

/// Folds pages of events until a step is full or the log ends; nothing once `shutdown` is cancelled. `before` is the step that
/// the targets have been moved on by and that is still being written: its rows count as if they were there.
///
/// # Errors
/// [`RunError`] if the store fails, or an event cannot be read.
async fn gather(
    store: &dyn Store,
    targets: &[Target],
    ahead: &mut Prefetch,
    limits: &Limits,
    before: &[Advance],
    shutdown: &CancellationToken,
) -> Result<Gathered, RunError> {
    let begun = Instant::now();
    let mut held: Vec<Held<'_>> = targets.iter().map(|target| Held::new(target, before)).collect();
    let (mut reached, mut facts, mut more) = (None, 0, false);
    loop {
        let page = tokio::select! {
            biased;
            // what is folded so far would not be written any more
            () = shutdown.cancelled() => return Ok(Gathered::Nothing),
            page = ahead.next() => page?,
        };
        let Some(page) = page else { break };
        let mut touched = 0;
        for rows in &mut held {
            let Some(rows) = rows.fold(store, &page.events).await? else {
                return Ok(Gathered::NotAtOnce);
            };
            touched += rows;
        }
        facts += page.facts / page.events.len().max(1) * touched;
        reached = page.events.last().map(|event| event.position);
        let sum = |of: fn(&Held<'_>) -> usize| held.iter().map(of).sum::<usize>();
        let is_full = sum(|held| held.rows.len()) >= limits.rows
            || sum(|held| held.documents) >= limits.documents
            || facts >= limits.facts
            || begun.elapsed() >= limits.time;
        if is_full || !page.more {
            more = page.more;
            break;
        }
    }
    let Some(to) = reached else {
        return Ok(Gathered::Nothing);
    };
    let mut steps = Vec::with_capacity(held.len());
    for rows in held.into_iter().filter(|held| held.target.generation.position < to) {
        let Some(step) = rows.close(to).await else {
            return Ok(Gathered::NotAtOnce);
        };
        steps.push(step);
    }
    Ok(Gathered::Step(Prepared::new(steps, to, more)))
}

/// The rows of one target that a step touches.
struct Held<'s> {
    target: &'s Target,
    before: Option<&'s Advance>,
    rows: HashMap<String, Row>,
    /// The keys that stand still.
    standing: BTreeSet<String>,
    /// The stored views that were read, in bytes.
    documents: usize,
    turn: Turn,
}

struct Row {
    open: Box<dyn OpenRow>,
    is_new: bool,
}

impl<'s> Held<'s> {
    fn new(target: &'s Target, before: &'s [Advance]) -> Self {
        Self {
            target,
            before: before.iter().find(|step| step.from.name == target.generation.name),
            rows: HashMap::new(),
            standing: BTreeSet::new(),
            documents: 0,
            turn: Turn::default(),
        }
    }

    /// Folds events into the rows that they touch, and tells how many times that was one; none if it could not be done.
    async fn fold(&mut self, store: &dyn Store, events: &[Recorded]) -> Result<Option<usize>, RunError> {
        let projection = self.target.projection;
        let mut count = 0;
        let mut touched: BTreeMap<String, Vec<&Recorded>> = BTreeMap::new();
        let position = self.target.generation.position;
        for event in events.iter().filter(|event| event.position > position) {
            for key in keys(projection, event)? {
                match self.rows.get_mut(&key) {
                    Some(row) => {
                        if !row.apply(&key, event) {
                            return Ok(None);
                        }
                        count += 1;
                        self.turn.take(AN_EVENT).await;
                    }
                    None if self.standing.contains(&key) => {}
                    None => touched.entry(key).or_default().push(event),
                }
            }
        }
        if touched.is_empty() {
            return Ok(Some(count));
        }
        let (keys, events): (Vec<String>, Vec<Vec<&Recorded>>) = touched.into_iter().unzip();
        let Before {
            standing,
            mut documents,
        } = self.target.look_up(store, &keys, self.before).await?;
        for (key, events) in keys.into_iter().zip(events).filter(|(key, _)| !standing.contains(key)) {
            let document = documents.remove(&key);
            let open = catch_unwind(AssertUnwindSafe(|| projection.open(&key, document.as_deref())));
            let Ok(Ok(open)) = open else {
                return Ok(None);
            };
            let mut row = Row {
                open,
                is_new: document.is_none(),
            };
            let size = document.map_or(0, |document| document.len());
            self.documents += size;
            self.turn.take(size + events.len() * AN_EVENT).await;
            if !events.iter().all(|event| row.apply(&key, event)) {
                return Ok(None);
            }
            count += events.len();
            self.rows.insert(key, row);
        }
        self.standing.extend(standing);
        Ok(Some(count))
    }

    /// The step that writes the rows; none if one cannot be written.
    async fn close(mut self, to: Position) -> Option<Advance> {
        let mut rows: Vec<(String, Row)> = self.rows.into_iter().collect();
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut changes = Vec::with_capacity(rows.len());
        for (key, row) in rows {
            let folded = catch_unwind(AssertUnwindSafe(|| row.open.close(&key))).ok()?.ok()?;
            let change = RowChange {
                key,
                is_new: row.is_new,
                row: match folded {
                    Folded::Keep { document, row } => Some((document, row)),
                    Folded::Remove => None,
                },
            };
            self.turn.take(change.document().map_or(0, str::len)).await;
            changes.push(change);
        }
        Some(Advance {
            from: self.target.generation.clone(),
            columns: self.target.projection.columns(),
            to,
            changes,
            parked: Vec::new(),
            unparked: Vec::new(),
            skipped: self.standing.into_iter().collect(),
        })
    }
}

impl Row {
    /// Folds an event into it; whether that could be done.
    fn apply(&mut self, key: &str, event: &Recorded) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.open.apply(key, event))).is_ok()
    }
}
