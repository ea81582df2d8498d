//! A ledger of a given size with folded views, as a stopped service leaves it.

use std::time::{Duration, Instant};

use crate::child::{Server, ours};
use crate::database::Database;
use crate::pass;
use crate::payloads::LedgerKind;
use crate::progress::note;

/// A ledger without a running service.
pub(crate) struct Prepared {
    pub(crate) database: Database,
    pub(crate) events: u64,
}

impl Prepared {
    /// Fills a fresh database and folds its views.
    pub(crate) async fn new(database: Database, events: u64, told: LedgerKind) -> anyhow::Result<Self> {
        Self::with_more(database, events, told, 0).await
    }

    /// The same, with `more` webhooks planned that are not sent yet.
    pub(crate) async fn with_more(
        database: Database,
        events: u64,
        told: LedgerKind,
        more: u64,
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let dir = database.dir.path();
        let mut arguments = ours(&database.url, dir);
        arguments.push(format!("--events={events}"));
        arguments.push(format!("--told={}", told.name()));
        arguments.push(format!("--more={more}"));
        let mut filling = Server::start("fill", &arguments, dir)?;
        let mut recorded = 0;
        while recorded < events {
            recorded = filling.line().await?.parse()?;
            note(format_args!(
                "  {recorded} of {events} events recorded {}",
                after(begun)
            ));
        }
        filling.stop().await?;
        pass::measure(&database).await?;
        note(format_args!("  views folded {}", after(begun)));
        database.settle().await?;
        Ok(Self { database, events })
    }
}

fn after(begun: Instant) -> String {
    format!("after {:?}", Duration::from_secs(begun.elapsed().as_secs()))
}
