//! Checking a large ledger: a log of events of a usual size is appended straight to the store, a checkpoint signed now and
//! then, and `verify` run on it, quick and full.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::{EventId, OrderEvent, Position, Source, StreamId, SubjectId};
use anyhow::{Context, ensure};
use clap::Args;
use tokio_util::sync::CancellationToken;
use warmledger::checkpoints::CheckpointSigner;
use warmledger::clock;
use warmledger::data_dir::ServiceSecrets;
use warmledger::ledger::leaf::Envelope;
use warmledger::settings::{DatabaseUrl, Flags, Settings};
use warmledger::store::{self, Append, Batch, NewEvent, Reference, SealedSections, Store};
use warmledger::tlog::Growth;
use warmledger::vault::Sealed;
use warmledger::verify::{Options, verify};

use crate::database::Database;
use crate::machine::Machine;

/// Events of one append.
const BATCH: u64 = 2_000;
/// Appends between two checkpoints.
const SIGNED_EVERY: u64 = 10;

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Events that the ledger gets before it is checked
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Runs of each check
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Use SQLite instead of PostgreSQL
    #[arg(long)]
    sqlite: bool,
    /// Where databases may be created
    #[arg(
        long,
        env = "BENCH_POSTGRES_URL",
        hide_env_values = true,
        default_value = "postgres://root@127.0.0.1:5432/postgres"
    )]
    postgres_url: String,
}

/// Fills a ledger, checks it and prints the table.
pub(crate) async fn run(args: VerifyArgs) -> anyhow::Result<()> {
    let machine = Machine::ask(&args.postgres_url).await?;
    let parent = std::env::current_exe()?
        .parent()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let database = if args.sqlite {
        Database::sqlite(&parent)?
    } else {
        Database::postgres(&args.postgres_url, &parent).await?
    };
    let url = DatabaseUrl::parse(&database.url).map_err(anyhow::Error::msg)?;
    let store = store::open(&url).await?;
    let begun = Instant::now();
    let growing = fill(&store, database.dir.path(), args.events).await?;
    writeln!(
        std::io::stderr(),
        "{} events appended in {:.0} s",
        args.events,
        begun.elapsed().as_secs_f64()
    )?;
    let mut table = String::new();
    for full in [false, true] {
        for run in 1..=args.runs {
            let options = Options {
                full,
                kept: Vec::new(),
                keys: Vec::new(),
            };
            let begun = Instant::now();
            let report = verify(Arc::clone(&store), &options, |_, _| {}, &CancellationToken::new()).await?;
            let seconds = begun.elapsed().as_secs_f64();
            ensure!(report.is_sound(), "{report:?}");
            writeln!(
                table,
                "| {} | {run} | {} | {} | {seconds:.2} | {:.0} |",
                if full { "full" } else { "quick" },
                report.rows,
                report.checkpoints,
                report.rows as f64 / seconds
            )?;
        }
    }
    store.close().await;
    database.drop_now().await?;
    write!(
        std::io::stdout(),
        "# Checking a ledger of {} events on {}\n\n{}; {} cores, {}, load average before {}; PostgreSQL {}; {}.\n\
         Taking a leaf into the tree costs {:.2} µs.\n\n\
         | check | run | rows | checkpoints | s | events/s |\n|---|--:|--:|--:|--:|--:|\n{table}",
        args.events,
        if args.sqlite { "SQLite" } else { "PostgreSQL" },
        machine.date,
        machine.cores,
        machine.cpu,
        machine.load_average,
        machine.postgres,
        machine.rustc,
        growing.as_secs_f64() * 1e6 / args.events as f64,
    )?;
    Ok(())
}

/// Appends so many events; tells how long the tree took of it.
async fn fill(store: &Arc<dyn Store>, dir: &Path, events: u64) -> anyhow::Result<Duration> {
    let settings = Settings::from_flags(&Flags {
        data_dir: Some(dir.display().to_string()),
        ..Flags::default()
    })?;
    ServiceSecrets::prepare(&settings)?;
    let signer = CheckpointSigner::open(Arc::clone(store), dir.to_owned(), None).await?;
    let mut growing = Duration::ZERO;
    let mut head = store.head().await?;
    let mut batches = 0;
    while head.position.0 < events {
        let recorded_at = clock::now().max(head.recorded_at);
        let last = events.min(head.position.0 + BATCH);
        let batch: Vec<NewEvent> = (head.position.0 + 1..=last)
            .map(|position| event(position, recorded_at))
            .collect::<anyhow::Result<_>>()?;
        let opened = batch.iter().filter(|event| event.version == 1);
        let keys: Vec<_> = opened.map(|event| (event.subject.clone(), vec![7; 80])).collect();
        let begun = Instant::now();
        let mut growth = Growth::on(store.tree().await?.frontier);
        let read = begun.elapsed();
        batch.iter().for_each(|event| growth.push(event.leaf_hash));
        growing += begun.elapsed() - read;
        let appended = store
            .append(&Batch {
                expected: head,
                recorded_at,
                events: &batch,
                keys: &keys,
                tree: &growth,
            })
            .await?;
        ensure!(appended == Append::Done, "{appended:?}");
        head = store.head().await?;
        batches += 1;
        if batches % SIGNED_EVERY == 0 || head.position.0 == events {
            signer.sign().await?;
        }
    }
    Ok(growing)
}

/// An event of the size that a webhook of a few mailboxes makes: 0.6 kB of facts and 0.9 kB sealed. Of each three, the first
/// assigns two domains, and the others renew the subscription of one of them.
fn event(position: u64, recorded_at: jiff::Timestamp) -> anyhow::Result<NewEvent> {
    let order = position.div_ceil(3);
    let stream = StreamId::parse(&format!("order-{order:028}"))?;
    let sealed = |bytes: usize| Some(Sealed::from_bytes((0..bytes).map(|_| rand::random()).collect()));
    let version = (position - 1) % 3 + 1;
    let mailboxes = format!(
        r#"[{{"expiryDate":"2026-01-02T03:04:05Z","isAdmin":false,"mailboxId":"{position:028}","warmingUpFrom":"2026-01-02T03:04:05Z"}}]"#
    );
    let domain = |n: u64| {
        format!(r#"{{"domain":"d{n}-{order}.example","mailboxes":{mailboxes},"subscriptionId":"S{n}-{order:024}"}}"#)
    };
    let facts = match version {
        1 => format!(
            r#"{{"domains":[{},{}],"orderId":"{order:028}","userId":"U{order}"}}"#,
            domain(1),
            domain(2)
        ),
        _ => format!(
            r#"{{"domain":"d1-{order}.example","orderId":"{order:028}","reason":"{:>400}","subscriptionId":"S1-{order:024}"}}"#,
            position
        ),
    };
    let type_name = if version == 1 {
        "MailboxesAssigned"
    } else {
        "SubscriptionRenewed"
    };
    let schema_version = if version == 1 { 2 } else { 1 };
    let mut event = NewEvent {
        subject: SubjectId::stream(&stream),
        stream,
        version: u32::try_from(version).context("a version")?,
        source: Source::parse("bench")?,
        event_id: EventId::try_from(format!("{position:028}"))?,
        type_name,
        schema_version,
        facts,
        sealed: SealedSections {
            personal: sealed(330),
            secrets: sealed(330),
            original: sealed(240),
        },
        leaf_hash: [0; 32],
        references: Vec::new(),
    };
    if version == 1 {
        let read = OrderEvent::from_stored(type_name, schema_version, &event.facts)?;
        event.references = Reference::of_event(&read);
    }
    event.leaf_hash = Envelope::of_new(&event, Position(position), recorded_at).leaf_hash()?;
    Ok(event)
}
