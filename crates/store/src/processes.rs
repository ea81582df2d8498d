//! Which running processes lack something that another one holds.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{GONE, Holds, Process, SeenProcess, Store, StoreError};

/// The interval of a process's heartbeats.
pub const BEAT: Duration = Duration::from_secs(2);
/// The pause between two reads of the others' keys.
const LOOK: Duration = Duration::from_millis(250);
/// A process that still lacks something after so many heartbeats has looked for it in vain.
const VISITS: i64 = 2;

/// A process, in readable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    host: String,
    pid: u32,
    data_dir: String,
}

impl Label {
    /// The label of a process.
    pub fn of(seen: &SeenProcess) -> Self {
        let Process {
            host, pid, data_dir, ..
        } = &seen.process;
        Self {
            host: host.clone(),
            pid: *pid,
            data_dir: data_dir.clone(),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (process {}, data directory {})",
            self.host, self.pid, self.data_dir
        )
    }
}

/// The running processes that lack something, after each had the time to find it or to count as ended.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub async fn lacking(store: &dyn Store, has: impl Fn(&Holds) -> bool) -> Result<Vec<Label>, StoreError> {
    let begun = Instant::now();
    let mut first: Vec<(String, i64)> = Vec::new();
    loop {
        let seen = store.processes().await?;
        let lacking: Vec<&SeenProcess> = seen.iter().filter(|seen| !has(&seen.process.holds)).collect();
        let vain = |seen: &&SeenProcess| {
            let before = first.iter().find(|(id, _)| *id == seen.process.id);
            before.is_some_and(|(_, beats)| seen.beats >= beats + VISITS)
        };
        if lacking.iter().all(vain) || begun.elapsed() > GONE + BEAT {
            return Ok(lacking.into_iter().map(Label::of).collect());
        }
        for seen in lacking {
            if !first.iter().any(|(id, _)| *id == seen.process.id) {
                first.push((seen.process.id.clone(), seen.beats));
            }
        }
        sleep(LOOK).await;
    }
}

/// Processes in a sentence.
pub fn list(processes: &[Label]) -> String {
    let listed: Vec<String> = processes.iter().map(ToString::to_string).collect();
    listed.join(", ")
}
