//! SQLite's write-ahead log: however long a reader reads, it is truncated afterwards.

use std::time::{Duration, Instant};

use crate::support::raw::Raw;
use crate::support::{Database, fixture};

const KEPT: u64 = 64 << 20;

fn size(database: &Database) -> u64 {
    let file = database.dir.path().join("warmledger.db-wal");
    std::fs::metadata(file).map_or(0, |found| found.len())
}

/// Writes this many megabytes.
async fn write(raw: &Raw, megabytes: u32) {
    raw.execute("CREATE TABLE IF NOT EXISTS ballast (bytes BLOB)").await;
    for _ in 0..megabytes {
        raw.execute("INSERT INTO ballast VALUES (zeroblob(1000000))").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ahead_log_that_a_reader_has_let_grow_shrinks_when_the_reader_has_gone() {
    let database = Database::sqlite();
    let store = database.store().await;
    let (reader, writer) = (Raw::connect(&database).await, Raw::connect(&database).await);
    reader.execute("BEGIN; SELECT count(*) FROM events").await;
    writer.execute("PRAGMA synchronous = OFF").await;
    write(&writer, 75).await;
    let log = store.trim(false).await.unwrap().unwrap();
    assert!(log.bytes > KEPT && log.held, "{log:?}");
    reader.execute("COMMIT").await;
    let log = store.trim(false).await.unwrap().unwrap();
    assert_eq!((log.bytes, log.held), (0, false));
    // a small log is truncated only once no reader needs it
    write(&writer, 1).await;
    assert!(store.trim(false).await.unwrap().unwrap().bytes > 0);
    assert_eq!(store.trim(true).await.unwrap().unwrap().bytes, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_empties_it_while_nothing_comes_in_and_tells_its_size() {
    let database = Database::sqlite();
    let service = database.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    assert!(size(&database) > 0);
    let begun = Instant::now();
    while size(&database) > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} bytes are left",
            size(&database)
        );
        // the service writes its heartbeat soon again
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let metrics = service.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("warmledger_write_ahead_log_bytes"), "{metrics}");
    service.stop().await;
}
