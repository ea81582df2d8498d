//! Checkpoints against the tree, in the order of their sizes, some hundred in memory at a time.

use std::collections::{BTreeSet, VecDeque};

use crate::checkpoints;
use store::{KeptCheckpoint, Store, StoreError};
use tlog::{Checkpoint, Frontier, Hash, NoteError, NoteVerifier};

use super::{Coverage, Finding, FindingKind, Options};

/// Checkpoints read at once.
const PAGE: u32 = 500;
/// At most so many gaps in their numbers are reported.
const GAPS: u32 = 100;
/// How many of the newest checkpoints the quick check compares, and over how many of the newest events.
const RECENT: usize = 100;
const RECENT_EVENTS: u64 = 100_000;

/// Checkpoints that have to match.
pub(super) struct Expected<'s> {
    store: &'s dyn Store,
    keys: Vec<NoteVerifier>,
    origin: Option<String>,
    /// The newest checkpoint to compare.
    newest: i64,
    head: u64,
    /// The largest size of a checkpoint that matched.
    agreed: u64,
    /// Whether all stored ones are compared.
    full: bool,
    after: (u64, i64),
    /// The next ones from the database.
    stored: VecDeque<KeptCheckpoint>,
    /// The next ones kept outside the database.
    kept: VecDeque<(String, Checkpoint)>,
    compared: u64,
    unusable: Vec<Finding>,
}

impl<'s> Expected<'s> {
    pub(super) async fn new(
        store: &'s dyn Store,
        options: &Options,
        newest: i64,
        head: u64,
    ) -> Result<Self, StoreError> {
        let mut keys = options.keys.clone();
        if keys.is_empty() {
            let stored = store.signing_keys().await?;
            keys = stored
                .iter()
                .filter_map(|key| NoteVerifier::parse(&key.verifier).ok())
                .collect();
        }
        let mut expected = Self {
            store,
            keys,
            origin: store.known_origin().await?,
            unusable: Vec::new(),
            newest,
            head,
            agreed: 0,
            full: options.full,
            after: (0, i64::MIN),
            stored: VecDeque::new(),
            kept: VecDeque::new(),
            compared: 0,
        };
        for (name, note) in &options.kept {
            match expected.open(name, note) {
                Ok(checkpoint) => expected.kept.push_back((name.clone(), checkpoint)),
                Err(unusable) => expected.unusable.push(unusable),
            }
        }
        let stored = store.latest_checkpoint().await?.map_or(0, |latest| latest.size);
        for (name, checkpoint) in &expected.kept {
            // one over more events than exist differs from the tree, and the full check looks for each itself
            if !options.full && checkpoint.size > stored && checkpoint.size <= head {
                let detail = format!(
                    "{name} covers {} events, and the newest checkpoint of the database {stored}: checkpoints were removed from it",
                    checkpoint.size
                );
                expected
                    .unusable
                    .push(Finding::new(FindingKind::Checkpoint, None, detail));
            }
        }
        expected
            .kept
            .make_contiguous()
            .sort_by_key(|(_, checkpoint)| checkpoint.size);
        if options.full {
            expected.fill().await?;
        } else {
            expected.fill_with_newest().await?;
        }
        Ok(expected)
    }

    /// Takes only the newest ones.
    async fn fill_with_newest(&mut self) -> Result<(), StoreError> {
        self.after = (self.head.saturating_sub(RECENT_EVENTS), i64::MIN);
        loop {
            let page = self.store.checkpoints(self.after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            self.after = (last.size, last.id);
            let due = page.into_iter().filter(|checkpoint| checkpoint.id <= self.newest);
            self.stored.extend(due);
            let superfluous = self.stored.len().saturating_sub(RECENT);
            self.stored.drain(..superfluous);
        }
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        while self.stored.is_empty() {
            let page = self.store.checkpoints(self.after, PAGE).await?;
            let Some(last) = page.last() else { break };
            self.after = (last.size, last.id);
            // checkpoints signed since the start, over a longer log, are left out
            let due = page.into_iter().filter(|checkpoint| checkpoint.id <= self.newest);
            self.stored.extend(due);
        }
        Ok(())
    }

    /// The tree size of the next comparison.
    pub(super) fn next_size(&self) -> Option<u64> {
        let stored = self.stored.front().map(|checkpoint| checkpoint.size);
        let kept = self.kept.front().map(|(_, checkpoint)| checkpoint.size);
        stored.into_iter().chain(kept).min()
    }

    /// How many were compared.
    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    /// Compares the checkpoints over as many events as the tree has.
    pub(super) async fn at(&mut self, frontier: &Frontier) -> Result<Vec<Finding>, StoreError> {
        if self.next_size() != Some(frontier.size()) {
            return Ok(Vec::new());
        }
        self.compare(frontier.size(), frontier.root()).await
    }

    /// Compares the checkpoints over so many events with the root of their tree.
    pub(super) async fn compare(&mut self, size: u64, root: Hash) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        let mut notes = BTreeSet::new();
        let mut roots = BTreeSet::new();
        while self.stored.front().is_some_and(|checkpoint| checkpoint.size == size) {
            if let Some(checkpoint) = self.stored.pop_front() {
                self.compared += 1;
                let name = format!("checkpoint {}", checkpoint.id);
                roots.insert(checkpoint.root.clone());
                if !notes.insert(checkpoint.note.clone()) {
                    let detail = format!("{name} repeats an earlier one word by word: it was put in");
                    findings.push(Finding::new(FindingKind::Checkpoint, None, detail));
                }
                match self.read(&name, &checkpoint) {
                    Ok(read) => findings.extend(self.difference(&name, &read, root)),
                    Err(unusable) => findings.push(unusable),
                }
            }
            if self.stored.is_empty() {
                self.fill().await?;
            }
        }
        while self.kept.front().is_some_and(|(_, checkpoint)| checkpoint.size == size) {
            if let Some((name, checkpoint)) = self.kept.pop_front() {
                self.compared += 1;
                if self.full && !roots.contains(&checkpoint.root[..]) {
                    let detail =
                        format!("{name} is not among the checkpoints that the ledger keeps: it was removed there");
                    findings.push(Finding::new(FindingKind::Checkpoint, None, detail));
                }
                findings.extend(self.difference(&name, &checkpoint, root));
            }
        }
        Ok(findings)
    }

    /// Parses a checkpoint of this log.
    fn open(&self, name: &str, note: &str) -> Result<Checkpoint, Finding> {
        let wrong = |detail| Finding::new(FindingKind::Checkpoint, None, format!("{name} {detail}"));
        let read = checkpoints::open(note, &self.keys).map_err(|error| {
            wrong(match error {
                NoteError::Unsigned => {
                    "is signed with none of the keys that the log is known by: it was rolled back to before \
                                        that key, or the checkpoint is of another log"
                        .to_owned()
                }
                error => format!("cannot be used: {error}"),
            })
        })?;
        match &self.origin {
            Some(origin) if *origin == read.origin => Ok(read),
            Some(_) => Err(wrong(format!("is of another log, {}", read.origin))),
            None => Err(wrong(format!(
                "cannot be compared: the log's name is missing, its row in log_origin was removed; put {:?} back there",
                read.origin
            ))),
        }
    }

    /// Parses a stored checkpoint, if its columns agree with its note.
    fn read(&self, name: &str, kept: &KeptCheckpoint) -> Result<Checkpoint, Finding> {
        let read = self.open(name, &kept.note)?;
        if (read.size, &read.root[..]) == (kept.size, &kept.root[..]) {
            return Ok(read);
        }
        let detail = format!("{name} is kept with another size or root than it is signed with");
        Err(Finding::new(FindingKind::Checkpoint, None, detail))
    }

    /// The coverage of the checkpoints kept outside the database.
    pub(super) fn coverage(&self) -> Vec<Coverage> {
        let kept = self.kept.iter().map(|(name, checkpoint)| Coverage {
            name: name.clone(),
            size: checkpoint.size,
            since: self.head.saturating_sub(checkpoint.size),
        });
        kept.collect()
    }

    /// The problems of those checkpoints themselves.
    pub(super) fn unusable(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.unusable)
    }

    /// Checkpoints that were removed or inserted, by their numbers.
    pub(super) async fn misnumbered(&self) -> Result<Vec<Finding>, StoreError> {
        let gaps = self.store.checkpoint_gaps(GAPS).await?.into_iter();
        let gaps = gaps.map(|(before, number)| {
            let detail = match number - before {
                2 => format!("the checkpoint with the number {} was removed", before + 1),
                3.. => format!(
                    "the checkpoints with the numbers {} to {} were removed",
                    before + 1,
                    number - 1
                ),
                _ => format!("the number {number} of a checkpoint does not follow {before}: it was put in"),
            };
            Finding::new(FindingKind::Checkpoint, None, detail)
        });
        Ok(gaps.collect())
    }

    /// Checkpoints over more events than exist: of the stored ones the smallest, of the others all.
    pub(super) async fn beyond(&mut self, head: u64) -> Result<Vec<Finding>, StoreError> {
        let truncated = |name: String, size: u64| {
            let detail = format!(
                "{name} says that there are {size} events, and the log ends at {head}: its end was cut off, or an older copy \
                 put in its place"
            );
            Finding::new(FindingKind::Checkpoint, (head + 1, size), detail)
        };
        let mut findings = Vec::new();
        let beyond = self.store.checkpoints((head, i64::MAX), 1).await?;
        let cut = beyond.iter().filter(|checkpoint| checkpoint.id <= self.newest);
        findings.extend(cut.map(|checkpoint| truncated(format!("checkpoint {}", checkpoint.id), checkpoint.size)));
        while self.kept.back().is_some_and(|(_, checkpoint)| checkpoint.size > head) {
            findings.extend(
                self.kept
                    .pop_back()
                    .map(|(name, checkpoint)| truncated(name, checkpoint.size)),
            );
        }
        Ok(findings)
    }

    /// Skips checkpoints over fewer events, which cannot be compared. Returns how many there were.
    pub(super) async fn pass_over(&mut self, size: u64) -> Result<u64, StoreError> {
        let mut passed = 0;
        while self.next_size().is_some_and(|next| next < size) {
            let stored = self.stored.pop_front_if(|checkpoint| checkpoint.size < size).is_some();
            let kept = self
                .kept
                .pop_front_if(|(_, checkpoint)| checkpoint.size < size)
                .is_some();
            passed += u64::from(stored) + u64::from(kept);
            if self.stored.is_empty() && self.full {
                self.fill().await?;
            }
        }
        Ok(passed)
    }

    /// How many are still to be compared.
    pub(super) async fn left(&mut self) -> Result<u64, StoreError> {
        let mut left = self.kept.len() as u64;
        loop {
            left += self
                .stored
                .iter()
                .filter(|checkpoint| checkpoint.size <= self.head)
                .count() as u64;
            self.stored.clear();
            self.fill().await?;
            if self.stored.is_empty() {
                return Ok(left);
            }
        }
    }

    /// A finding if the checkpoint has another root: the difference is after the last one that matched.
    fn difference(&mut self, name: &str, checkpoint: &Checkpoint, root: Hash) -> Option<Finding> {
        let size = checkpoint.size;
        if checkpoint.root == root {
            self.agreed = self.agreed.max(size);
            return None;
        }
        let detail = format!(
            "{name} says that the root over {size} events is {}, and the leaf hashes make {}",
            hex::encode(checkpoint.root),
            hex::encode(root)
        );
        let positions = (self.agreed < size).then_some((self.agreed + 1, size));
        Some(Finding::new(FindingKind::Checkpoint, positions, detail))
    }
}
