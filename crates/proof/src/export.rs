//! The audit bundle: events, a proof that they are in a signed tree, and a checker that does not depend on this
//! program.
//!
//! | file | content |
//! |---|---|
//! | `events.jsonl` | one line per event: `{"leaf":{…},"leafHash":"<hex>"}`, the leaf as the exact hashed bytes |
//! | `proof.json` | the hashes beside the range, [`tlog::range_proof`] |
//! | `checkpoint` | the signed note over the tree |
//! | `keys.txt` | the public keys that have signed the log |
//! | `handovers.json` | for each key but the first, its event and a proof of it under a checkpoint of the previous key |
//! | `check.py` | recomputes everything, with Python's standard library alone |
//! | `README.md` | instructions |

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use aggregates::{Position, Source};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::checkpoints;
use crate::proofs;
use ledger::leaf::leaf_of_row;
use store::{KeptCheckpoint, KeptKey, Lookup, Store, StoreError, TreeStore};
use tlog::NoteVerifier;

/// The checker in every bundle.
const CHECK: &str = include_str!("export/check.py");
/// The instructions in every bundle.
const README: &str = include_str!("export/README.md");

/// Rows read at once.
const PAGE: u64 = 2_000;
/// Checkpoints read at once.
const CHECKPOINTS: u32 = 100;

/// Why a bundle was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written.
    #[error("cannot write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The directory holds something else already.
    #[error("{} is not empty: a bundle gets a directory of its own", .0.display())]
    NotEmpty(PathBuf),
    /// A row cannot be exported: the log is damaged.
    #[error("the event at position {0} cannot be exported: {1}; run `warmledger verify --full`")]
    Damaged(u64, String),
    /// The export was stopped.
    #[error("stopped before the end; the bundle is not complete")]
    Cancelled,
}

/// Creates the directory of a bundle.
///
/// # Errors
/// [`ExportError::NotEmpty`] if it exists and is not empty; [`ExportError::Io`].
pub fn prepare(directory: &Path) -> Result<(), ExportError> {
    let io = |error| ExportError::Io(directory.to_owned(), error);
    fs::create_dir_all(directory).map_err(io)?;
    match fs::read_dir(directory).map_err(io)?.next() {
        Some(_) => Err(ExportError::NotEmpty(directory.to_owned())),
        None => Ok(()),
    }
}

/// Writes the bundle of the events with these positions under a checkpoint that covers them. `progress` gets the number
/// of events done.
///
/// # Errors
/// [`ExportError`]; the directory then holds no complete bundle.
pub async fn write(
    store: &dyn Store,
    positions: Range<u64>,
    checkpoint: &KeptCheckpoint,
    directory: &Path,
    mut progress: impl FnMut(u64),
    stop: &CancellationToken,
) -> Result<(), ExportError> {
    let path = |name: &str| directory.join(name);
    let io = |path: &Path| {
        let path = path.to_owned();
        |error| ExportError::Io(path, error)
    };
    prepare(directory)?;
    let events = path("events.jsonl");
    let mut out = BufWriter::new(File::create(&events).map_err(io(&events))?);
    let mut next = positions.start;
    while next < positions.end {
        if stop.is_cancelled() {
            return Err(ExportError::Cancelled);
        }
        let page = next..positions.end.min(next + PAGE);
        let lines = lines(store, page.clone()).await?;
        out.write_all(&lines).map_err(io(&events))?;
        next = page.end;
        progress(next - positions.start);
    }
    out.flush().map_err(io(&events))?;

    let proof = proof(store, &positions, checkpoint.size).await?;
    let keys = store.signing_keys().await?;
    let handovers = json!(handovers(store, &keys).await?);
    let keys: String = keys.into_iter().map(|key| key.verifier + "\n").collect();
    for (name, text) in [
        ("proof.json", format!("{proof:#}\n").as_str()),
        ("checkpoint", &checkpoint.note),
        ("keys.txt", &keys),
        ("handovers.json", &format!("{handovers:#}\n")),
        ("check.py", CHECK),
        ("README.md", README),
    ] {
        fs::write(path(name), text).map_err(io(&path(name)))?;
    }
    Ok(())
}

/// The proof that events are in the tree over the first `size` events.
async fn proof(store: &dyn Store, positions: &Range<u64>, size: u64) -> Result<Value, StoreError> {
    let leaves = positions.start - 1..positions.end - 1;
    let hashes = proofs::hashes(store, size, &tlog::range_proof(&leaves, size)).await?;
    let hashes: Vec<String> = hashes.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect();
    Ok(json!({"from": positions.start, "to": positions.end - 1, "size": size, "hashes": hashes}))
}

/// The links from each key to the next one: the event that announces the next key, and a proof that it is in a tree
/// signed by the key before. A key without such an event has none.
async fn handovers(store: &dyn Store, keys: &[KeptKey]) -> Result<Vec<Value>, StoreError> {
    let keys = keys.iter().filter_map(|key| NoteVerifier::parse(&key.verifier).ok());
    let keys: Vec<NoteVerifier> = keys.collect();
    let mut handovers = Vec::new();
    for (old, new) in keys.iter().zip(keys.iter().skip(1)) {
        let lookup = Lookup {
            events: vec![(Source::own(), checkpoints::rotation_id(new)?)],
            ..Lookup::default()
        };
        let Some((_, _, Position(position), _)) = store.lookup(&lookup).await?.events.pop() else {
            continue;
        };
        let Some(signed) = signed_by(store, old, position).await? else {
            continue;
        };
        let mut leaf = None;
        let row = i64::try_from(position).unwrap_or(i64::MAX);
        store
            .scan(row..row.saturating_add(1), &mut |row| leaf = leaf_of_row(&row).ok())
            .await?;
        let leaf = leaf.and_then(|leaf| String::from_utf8(leaf).ok());
        let proof = proof(store, &(position..position + 1), signed.size).await?;
        handovers.push(json!({"leaf": leaf, "proof": proof, "checkpoint": signed.note}));
    }
    Ok(handovers)
}

/// The first checkpoint of a key that covers a position.
async fn signed_by(store: &dyn Store, key: &NoteVerifier, position: u64) -> Result<Option<KeptCheckpoint>, StoreError> {
    let mut after = (position.saturating_sub(1), i64::MAX);
    loop {
        let page = store.checkpoints(after, CHECKPOINTS).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = (last.size, last.id);
        let own = |kept: &KeptCheckpoint| checkpoints::open(&kept.note, std::slice::from_ref(key)).is_ok();
        if let Some(found) = page.into_iter().find(own) {
            return Ok(Some(found));
        }
    }
}

/// The lines of events, which must have no gap.
async fn lines(store: &(impl TreeStore + ?Sized), positions: Range<u64>) -> Result<Vec<u8>, ExportError> {
    let mut lines = Vec::new();
    let mut next = positions.start;
    let mut damaged = None;
    let signed = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
    store
        .scan(signed(positions.start)..signed(positions.end), &mut |row| {
            let leaf = leaf_of_row(&row);
            match leaf {
                Ok(leaf) if row.position == signed(next) && tlog::leaf_hash(&leaf) == row.leaf_hash => {
                    lines.extend(b"{\"leaf\":");
                    lines.extend(leaf);
                    lines.extend(b",\"leafHash\":\"");
                    lines.extend(hex::encode(row.leaf_hash).bytes());
                    lines.extend(b"\"}\n");
                    next += 1;
                }
                Ok(_) => drop(damaged.get_or_insert_with(|| "it is not what its leaf hash says".to_owned())),
                Err(error) => drop(damaged.get_or_insert_with(|| error.to_string())),
            }
        })
        .await?;
    if let Some(damage) = damaged {
        return Err(ExportError::Damaged(next, damage));
    }
    if next < positions.end {
        return Err(ExportError::Damaged(next, "there is no row".to_owned()));
    }
    Ok(lines)
}
