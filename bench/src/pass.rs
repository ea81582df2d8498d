//! One rebuild, or one replay of the peer.

use serde::{Deserialize, Serialize};

use crate::child::{Server, ours};
use crate::database::Database;
use crate::memory::Memory;

/// Events folded or replayed, and the time it took.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pass {
    pub(crate) events: u64,
    pub(crate) seconds: f64,
}

impl Pass {
    pub(crate) fn per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }
}

/// Rebuilds once, in a process of its own.
pub(crate) async fn measure(database: &Database) -> anyhow::Result<(Pass, Memory)> {
    let dir = database.dir.path();
    let mut server = Server::start("rebuild", &ours(&database.url, dir), dir)?;
    let pass = server.result().await?;
    let memory = Memory::of(server.id());
    server.stop().await?;
    Ok((pass, memory))
}
