//! `warmledger events reprocess`

use std::process::ExitCode;
use std::sync::Arc;

use aggregates::{AccessFacts, Position};
use anyhow::Context;
use serde::Serialize;

use crate::access::{Caller, Reason};
use crate::cli::{CHECK_FAILED, output};
use crate::service::Core;
use crate::settings::Settings;
use ledger::Reader;
use ledger::reprocess::{self, Reprocessed, Unrecognised};
use store::Mode;

/// Webhooks per read.
const PAGE: u32 = 200;

/// Gives unrecognised webhooks of these names (of any name, if there are none) the events that they are today.
///
/// # Errors
/// If the store can't be reached, or a webhook can't be opened or recorded.
pub(super) async fn run(
    settings: &Settings,
    names: &[String],
    dry_run: bool,
    reason: Option<Reason>,
) -> anyhow::Result<ExitCode> {
    let core = Core::open(settings, Mode::Existing).await?;
    let facts = AccessFacts {
        reason: reason.map(String::from),
        ..Caller::cli().facts()
    };
    let done = all(&core, names, dry_run, &facts).await;
    core.close().await;
    let counts = done?;
    eprintln!("{}", counts.told(dry_run));
    Ok(match counts.unusable {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(CHECK_FAILED),
    })
}

#[derive(Default)]
struct Counts {
    read: usize,
    now: usize,
    before: usize,
    unknown: usize,
    erased: usize,
    unusable: usize,
}

impl Counts {
    fn told(&self, dry_run: bool) -> String {
        let Self {
            read,
            now,
            before,
            unknown,
            erased,
            unusable,
        } = self;
        let became = if dry_run {
            "would become an event"
        } else {
            "became an event"
        };
        format!(
            "{read} unrecognised webhooks: {now} {became}, {before} did so before, {unknown} are still of an unknown kind, \
             {erased} are erased, {unusable} cannot be used"
        )
    }
}

async fn all(core: &Core, names: &[String], dry_run: bool, facts: &AccessFacts) -> anyhow::Result<Counts> {
    let reader = Reader::new(Arc::clone(&core.store), Arc::clone(&core.vault));
    let ingest = |source: &str| core.ingests.get(source);
    let (mut after, mut counts) = (Position(0), Counts::default());
    let until = core.store.head().await?.position;
    loop {
        let (page, last) = reprocess::list(&*core.store, after, PAGE).await?;
        let Some(last) = last.filter(|_| after < until) else {
            return Ok(counts);
        };
        after = last;
        let wanted = |found: &&Unrecognised| {
            found.event.position <= until && (names.is_empty() || names.contains(&found.facts.name))
        };
        for found in page.iter().filter(wanted) {
            let position = found.event.position;
            let done = reprocess::reprocess(&*core.store, &reader, ingest, found, facts, dry_run).await;
            let done = done.with_context(|| format!("cannot read position {position} again"))?;
            counts.read += 1;
            let (result, type_name, now_at, detail) = match &done {
                Reprocessed::WouldBe(type_name) => ("wouldBeRecorded", Some(*type_name), None, None),
                Reprocessed::Recorded(type_name, now_at) => ("recorded", Some(*type_name), Some(*now_at), None),
                Reprocessed::AlreadyThere(type_name, now_at) => ("alreadyThere", Some(*type_name), Some(*now_at), None),
                Reprocessed::Unknown => ("unknown", None, None, None),
                Reprocessed::Unusable(detail) => ("unusable", None, None, Some(detail.as_str())),
                Reprocessed::Erased => ("erased", None, None, None),
            };
            let count = match &done {
                Reprocessed::WouldBe(_) | Reprocessed::Recorded(..) => &mut counts.now,
                Reprocessed::AlreadyThere(..) => &mut counts.before,
                Reprocessed::Unknown => &mut counts.unknown,
                Reprocessed::Erased => &mut counts.erased,
                Reprocessed::Unusable(_) => &mut counts.unusable,
            };
            *count += 1;
            output::print_line(&Line {
                position,
                name: &found.facts.name,
                result,
                type_name,
                now_at,
                detail,
            })?;
        }
    }
}

/// The result of reading a webhook again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'d> {
    position: Position,
    name: &'d str,
    result: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    type_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now_at: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'d str>,
}
