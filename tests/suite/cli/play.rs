//! `serve`, `simulate` and `demo`.

use crate::support::api::Client;

use super::program::{Program, Running};
use crate::on_both_stores;
use crate::support::{Database, fixture};

on_both_stores!(a_served_ledger_takes_what_the_simulator_sends);

/// The address that a service prints on stderr.
async fn address(service: &mut Running) -> String {
    let line = service.told("http://").await;
    line[line.find("http://").unwrap()..].trim_end_matches('/').to_owned()
}

async fn a_served_ledger_takes_what_the_simulator_sends(database: Database) {
    let program = Program::new(&database);
    let mut service = program.start("serve --listen 127.0.0.1:0");
    let url = address(&mut service).await;

    let send = format!("simulate --url {url} --orders 8 --renewals --seed 7 --retry-scale 0.001 --json");
    let first = program.run(&send).await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    let summary = first.json();
    let sent = summary["sent"].as_u64().unwrap();
    assert!(sent >= 8);
    assert_eq!(
        (summary["acknowledged"].as_u64(), summary["givenUp"].as_u64()),
        (Some(sent), Some(0))
    );
    assert_eq!(
        (summary["duplicates"].as_u64(), summary["seed"].as_u64()),
        (Some(0), Some(7))
    );

    // the same webhooks again, by the printed seed and base time
    let base_time = summary["baseTime"].as_str().unwrap();
    let again = program
        .run(&format!("{} --base-time {base_time}", send.replace(" --json", "")))
        .await;
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{}", again.stderr);
    let duplicates = again.stderr.lines().find_map(|line| line.strip_prefix("duplicates"));
    assert_eq!(duplicates.map(|count| count.trim().to_owned()), Some(sent.to_string()));

    // beside the running service
    let checked = program.run("projections rebuild --all --check").await;
    assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);

    let refused = program.run(&format!("{send} --key wrong")).await;
    assert_eq!(refused.code, 1);
    assert_eq!(refused.json()["givenUp"].as_u64(), Some(sent));

    let port = url.rsplit(':').next().unwrap();
    let taken = program.run(&format!("serve --listen 127.0.0.1:{port}")).await;
    assert_eq!(taken.code, 2);
    assert!(
        taken.stderr.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{}",
        taken.stderr
    );

    // if it cannot listen, it creates no files
    let empty = tempfile::tempdir().unwrap();
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_warmledger"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .current_dir(empty.path())
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert_eq!(empty.path().read_dir().unwrap().count(), 0);

    let (code, rest) = service.signal("TERM").await;
    assert_eq!(code, Some(0), "{rest}");
}

#[tokio::test]
async fn an_interrupted_simulation_still_sums_up() {
    let database = Database::sqlite();
    let program = Program::new(&database);
    let mut service = program.start("serve --listen 127.0.0.1:0");
    let url = address(&mut service).await;
    let mut simulator = program.start(&format!("simulate --url {url} --orders 500 --rate 20"));
    simulator.told("sending").await;
    let (code, rest) = simulator.signal("INT").await;
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("interrupted"), "{rest}");
    assert_eq!(service.signal("INT").await.0, Some(0));
}

#[tokio::test]
async fn a_database_that_is_away_is_one_clear_line() {
    let ended = Program::bare()
        .env("WARMLEDGER_DATABASE_URL", "postgres://me:planted@127.0.0.1:1/ledger")
        .run("migrate")
        .await;
    assert_eq!(ended.code, 2);
    let error = ended.stderr.lines().last().unwrap();
    assert!(
        error.contains("postgres://me:***@127.0.0.1:1/ledger") && error.contains("refused"),
        "{error}"
    );
    assert!(!ended.stderr.contains("planted"));
}

#[tokio::test]
async fn a_demo_can_be_looked_at_and_ends_without_a_trace() {
    let program = Program::bare();
    let temporary = program.directory.path().display().to_string();
    let program = program
        .env("TMPDIR", &temporary)
        // a demo ignores the real ledger's settings
        .env("WARMLEDGER_DATABASE_URL", "sqlite:/nonexistent/real.db");
    let mut demo = program.start("demo --orders 12 --seconds 1 --listen 127.0.0.1:0");
    demo.told("removed at the end").await;
    demo.told("acknowledged").await;
    demo.told("Look for yourself").await;

    let (client, mut calls) = (Client::new(), Vec::new());
    while !calls.iter().any(|call: &String| call.contains("openapi.json")) {
        calls.push(demo.line().await.expect("it says how to read the API's document"));
    }
    calls.retain(|line| line.starts_with("curl "));
    assert!(calls.len() >= 7, "{calls:?}");
    let parts: Vec<Vec<&str>> = calls.iter().map(|call| call.split('\'').collect()).collect();
    let get = async |part: &[&str]| {
        let token = part[1].strip_prefix("Authorization: Bearer ").unwrap();
        client.get(part[3]).bearer_auth(token).send().await.unwrap().status()
    };
    for part in &parts {
        let status = get(part).await;
        assert_eq!(status, 200, "{}", part[3]);
    }

    let (code, rest) = demo.signal("TERM").await;
    assert_eq!(code, Some(0), "{rest}");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

#[tokio::test]
async fn a_token_that_is_given_for_its_id_is_not_printed() {
    let database = Database::sqlite();
    database.service().await.stop().await;
    let program = Program::new(&database);
    let token = program.run("tokens create --name n --scope read").await.stdout;
    let revoked = program.run(&format!("tokens revoke {}", token.trim())).await;
    assert_eq!(revoked.code, 2);
    assert!(revoked.stderr.contains("its id is wanted"), "{}", revoked.stderr);
    assert!(!revoked.stderr.contains(token.trim()), "{}", revoked.stderr);
}

#[tokio::test]
async fn faulty_webhooks_are_counted_apart() {
    let database = Database::sqlite();
    let service = database.service().await;
    let program = Program::new(&database);
    let ended = program
        .run(&format!(
            "simulate --url {} --orders 2 --seed 1 --faulty 3 --json",
            service.base
        ))
        .await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let summary = ended.json();
    assert_eq!(
        summary["faulty"],
        serde_json::json!({"quarantined": 3, "refused": 3, "unexpected": 0})
    );
    assert_eq!((&summary["quarantined"], &summary["givenUp"]), (&0.into(), &0.into()));
    service.stop().await;
    let listed = program
        .run("deliveries list --json --outcome refused,quarantined")
        .await
        .json();
    assert_eq!(listed.as_array().unwrap().len(), 6, "{listed}");
}

#[tokio::test]
async fn a_demo_can_go_on_in_a_directory_of_its_own() {
    let program = Program::bare();
    for _ in 0..2 {
        let mut demo = program.start("demo --data-dir kept --orders 6 --seconds 1 --listen 127.0.0.1:0");
        let quarantined = demo.told("quarantined").await;
        assert!(quarantined.ends_with(" 0"), "{quarantined}");
        demo.told("Look for yourself").await;
        assert_eq!(demo.signal("INT").await.0, Some(0));
    }
    let status = program.run("--data-dir kept projections status --json").await.json();
    // twice six orders, and two ordinary ones beside them
    assert!(status[0]["rows"] == 14, "{status}");
    // every list has something to show
    let listed = program
        .run("--data-dir kept deliveries list --json --outcome refused,quarantined")
        .await
        .json();
    assert_eq!(listed.as_array().unwrap().len(), 8, "{listed}");
    let kept = program.run("--data-dir kept refused list --json").await.json();
    assert_eq!(kept.as_array().unwrap().len(), 4, "{kept}");
    // a ledger that no demo has made is refused
    let real = Database::sqlite();
    let service = real.service().await;
    service.send(fixture("prewarmup.order.success.json")).await;
    service.stop().await;
    let refused = Program::new(&real)
        .run("demo --orders 5 --seconds 1 --listen 127.0.0.1:0")
        .await;
    assert_eq!(refused.code, 2, "{}", refused.stdout);
    assert!(refused.stderr.contains("no demo has made"), "{}", refused.stderr);
    assert_eq!(real.store().await.head().await.unwrap().position.0, 1);
    let refused = program.run("demo --database-url sqlite:other.db").await;
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--data-dir"), "{}", refused.stderr);
}
