//! The erasure journal: a file of JSON lines outside of the database. A backup of the database from before an erasure
//! brings the data key back; the journal takes it away again.
//!
//! It names subjects by the provider's ids, and holds no personal data and no key. It is append-only. Each line names
//! its ledger, so that a journal next to another ledger has no effect there.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aggregates::{AccessFacts, EventId};
use serde::{Deserialize, Serialize};

use store::tasks;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The system refused.
    #[error("cannot {action} the erasure journal {}", path.display())]
    Io {
        /// The failed operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A line is malformed.
    #[error("line {line} of the erasure journal {} cannot be read: was it edited?", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The task that writes it was cancelled: the service is ending.
    #[error("the erasure journal was not written: the service is ending")]
    Cancelled,
}

/// One erasure: the event that records it.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasure {
    /// The event's id.
    pub event_id: EventId,
    /// Its facts.
    pub facts: AccessFacts,
}

/// A line of the file. Fields in alphabetical order, as everywhere.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    event_id: EventId,
    facts: AccessFacts,
    ledger: String,
}

/// The journal of one ledger.
pub struct ErasureJournal {
    path: PathBuf,
    ledger: String,
}

impl ErasureJournal {
    /// The journal in this file, of the ledger of this name.
    pub fn new(path: &Path, ledger: String) -> Self {
        Self {
            path: path.to_owned(),
            ledger,
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All erasures of the ledger, oldest first; none if there is no file yet.
    ///
    /// # Errors
    /// [`JournalError`] if the file cannot be read or holds something else. A last line that was cut off during a write
    /// is skipped.
    pub async fn read(self: Arc<Self>) -> Result<Vec<Erasure>, JournalError> {
        off_thread(move || match File::open(&self.path) {
            Ok(mut file) => {
                let lines = self.lines(&mut file)?.into_iter();
                let own = lines.filter(|line| line.ledger == self.ledger);
                Ok(own
                    .map(|Line { event_id, facts, .. }| Erasure { event_id, facts })
                    .collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.io("open", error)),
        })
        .await
    }

    /// Adds erasures that are not in it yet; on disk when this returns.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn add(self: Arc<Self>, erasures: Vec<Erasure>) -> Result<(), JournalError> {
        off_thread(move || self.write(erasures)).await
    }

    fn write(&self, erasures: Vec<Erasure>) -> Result<(), JournalError> {
        let is_new = !self.path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(|error| self.io("open", error))?;
        // several processes may write; the lock is released when the file is closed
        file.lock().map_err(|error| self.io("lock", error))?;
        let known: HashSet<EventId> = self.lines(&mut file)?.into_iter().map(|line| line.event_id).collect();
        let mut text = Vec::new();
        if !self.ends_whole(&mut file).map_err(|error| self.io("read", error))? {
            // ends the line that was cut off
            text.push(b'\n');
        }
        let new = erasures
            .into_iter()
            .filter(|erasure| !known.contains(&erasure.event_id));
        for Erasure { event_id, facts } in new {
            let line = Line {
                event_id,
                facts,
                ledger: self.ledger.clone(),
            };
            serde_json::to_writer(&mut text, &line).map_err(|error| self.io("write", error.into()))?;
            text.push(b'\n');
        }
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        written.map_err(|error| self.io("write", error))?;
        if is_new {
            let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let synced = File::open(dir.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
            synced.map_err(|error| self.io("write", error))?;
        }
        Ok(())
    }

    fn lines(&self, file: &mut File) -> Result<Vec<Line>, JournalError> {
        let mut text = String::new();
        let read = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_string(&mut text));
        read.map_err(|error| self.io("read", error))?;
        let (whole, cut_off) = text.rsplit_once('\n').unwrap_or(("", &text));
        if !cut_off.is_empty() {
            tracing::warn!(path = %self.path.display(), "the last line of the erasure journal was cut off");
        }
        let lines = (1..).zip(whole.split('\n')).filter(|(_, line)| !line.is_empty());
        let parsed = lines.map(|(number, line)| match serde_json::from_str(line) {
            Ok(line) => Ok(Some(line)),
            // a line cut off by a crash and ended later is no whole object
            Err(error) if error.is_eof() => Ok(None),
            Err(_) => Err(JournalError::Line {
                path: self.path.clone(),
                line: number,
            }),
        });
        parsed.filter_map(Result::transpose).collect()
    }

    fn ends_whole(&self, file: &mut File) -> io::Result<bool> {
        if file.seek(SeekFrom::End(0))? == 0 {
            return Ok(true);
        }
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        Ok(last == *b"\n")
    }

    fn io(&self, action: &'static str, source: io::Error) -> JournalError {
        JournalError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

/// Runs blocking file work on another thread: a sync may take a while.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, JournalError> {
    let done = tokio::task::spawn_blocking(work).await;
    tasks::outcome(done).unwrap_or(Err(JournalError::Cancelled))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use aggregates::{Actor, SubjectId};

    use super::*;

    fn erasure(id: u128, subject: &str) -> Erasure {
        Erasure {
            event_id: EventId::access(id),
            facts: AccessFacts {
                reason: Some("asked for it".to_owned()),
                subject: Some(SubjectId::parse(subject).unwrap()),
                ..AccessFacts::by(Actor::admin())
            },
        }
    }

    fn journal(path: &Path, ledger: &str) -> Arc<ErasureJournal> {
        Arc::new(ErasureJournal::new(path, ledger.to_owned()))
    }

    #[tokio::test]
    async fn an_erasure_stands_once_in_the_journal_of_its_ledger() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("erasures.jsonl");
        assert_eq!(journal(&path, "one").read().await.unwrap(), []);
        journal(&path, "one").add(vec![erasure(1, "U1")]).await.unwrap();
        journal(&path, "one")
            .add(vec![erasure(1, "U1"), erasure(2, "U2")])
            .await
            .unwrap();
        journal(&path, "two").add(vec![erasure(3, "U1")]).await.unwrap();
        let read = journal(&path, "one").read().await.unwrap();
        assert_eq!(read, [erasure(1, "U1"), erasure(2, "U2")]);
        assert_eq!(journal(&path, "two").read().await.unwrap(), [erasure(3, "U1")]);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_line_that_a_crash_cut_off_is_passed_over_and_an_edited_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("erasures.jsonl");
        journal(&path, "one")
            .add(vec![erasure(1, "U1"), erasure(2, "U2")])
            .await
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(journal(&path, "one").read().await.unwrap(), [erasure(1, "U1")]);
        journal(&path, "one").add(vec![erasure(2, "U2")]).await.unwrap();
        let read = journal(&path, "one").read().await.unwrap();
        assert_eq!(read, [erasure(1, "U1"), erasure(2, "U2")]);

        std::fs::write(&path, text.replacen("U1", "U\t1", 1)).unwrap();
        let error = journal(&path, "one").read().await.unwrap_err();
        assert!(matches!(error, JournalError::Line { line: 1, .. }), "{error}");
    }
}
