//! The sources of the master key: the environment, or a transit engine.

use axum::http::StatusCode;
use reqwest::Url;
use warmledger::sealing::KeyMaterial;
use warmledger::secret::Secret;
use warmledger::service::Service;
use warmledger::settings::{MasterKeySettings, Settings};
use warmledger::store::Duty;
use warmledger::tls::Certificates;
use warmledger::vault::{TransitSettings, TransitToken};

use super::{email, in_use};
use crate::cli::program::Program;
use crate::erasure::assignment;
use crate::support::log::all_events;
use crate::support::transit::{TOKEN, TransitEngine};
use crate::support::{Database, metrics};

const OLD: &str = "7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b7b";
const NEW: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

fn given(settings: &mut Settings, keys: &[&str]) {
    let keys = keys.iter().map(|key| KeyMaterial::parse(key).unwrap());
    settings.master_key = MasterKeySettings::Given(keys.collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_key_of_the_environment_is_in_no_file_and_is_rotated_by_naming_two() {
    let database = Database::sqlite();
    let service = database.service_with(|settings| given(settings, &[OLD])).await;
    let store = database.store().await;
    service.send(assignment("E", "U", "O", "secret")).await;
    service.stop().await;
    assert!(!database.dir.path().join("master.key").exists());
    let old = in_use(&*store).await;

    let only = |keys: &str| Program::new(&database).env("WARMLEDGER_MASTER_KEY", keys);
    let ended = only(OLD).run("keys rotate").await;
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("put the new key before the old one"),
        "{}",
        ended.stderr
    );
    let leases = store.leases().await.unwrap();
    let rotation = leases.iter().find(|lease| lease.duty == Duty::KeyRotation.as_str());
    assert!(rotation.unwrap().is_vacant(), "it has ended, and lets the next one in");
    let both = format!("{NEW},{OLD}");
    let shown = only(&both).run("config --json").await.stdout;
    assert!(
        shown.contains("(set, 2 keys)") && !shown.contains(OLD) && !shown.contains(NEW),
        "{shown}"
    );
    let service = database.service_with(|settings| given(settings, &[NEW, OLD])).await;
    let rotated = only(&both).run("keys rotate").await;
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let new = in_use(&*store).await;
    assert!(new.len() == 1 && new != old);
    service.send(assignment("E1", "U1", "O1", "secret")).await;
    assert_eq!(
        in_use(&*store).await,
        new,
        "the running service wraps under the new one"
    );
    service.stop().await;

    let service = database.service_with(|settings| given(settings, &[NEW])).await;
    service.caught_up(&*store, 3).await;
    assert_eq!(email(&service, "o").await, "box@O.example");
    service.stop().await;
    let error = refused(&database, |settings| given(settings, &[OLD])).await;
    assert!(error.contains(&new[0].to_string()) && !error.contains(OLD), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_turn_back_to_an_earlier_master_key_is_recorded() {
    let database = Database::sqlite();
    let service = database.service_with(|settings| given(settings, &[OLD])).await;
    service.send(assignment("E", "U", "O", "secret")).await;
    service.stop().await;
    let store = database.store().await;
    for (keys, rotations) in [([NEW, OLD], 1), ([OLD, NEW], 2), ([NEW, OLD], 3), ([NEW, OLD], 3)] {
        let program = Program::new(&database).env("WARMLEDGER_MASTER_KEY", &keys.join(","));
        // the fourth has nothing to do, and reports it
        let ended = program.run("keys rotate").await.code;
        let events = all_events(&*store).await;
        let recorded = events.iter().filter(|event| event.type_name == "KeysRotated");
        assert_eq!(recorded.count(), rotations, "exit code {ended}");
        let verified = program.run("verify --full").await;
        assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    }
}

/// Why a service does not start.
async fn refused(database: &Database, change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = database.settings();
    change(&mut settings);
    match Service::start(&settings, metrics()).await {
        Ok(_) => panic!("it starts"),
        Err(error) => format!("{error:#}"),
    }
}

fn transit(engine: &TransitEngine, token: &str) -> impl FnOnce(&mut Settings) + use<> {
    let transit = TransitSettings {
        certificates: Certificates::default(),
        url: Url::parse(&engine.address).unwrap(),
        mount: "transit".to_owned(),
        key: "warmledger".to_owned(),
        token: TransitToken::Given(Secret::new(token.to_owned())),
    };
    move |settings| {
        let file = settings.data_dir.join("master.key");
        settings.master_key = MasterKeySettings::Transit(file, Box::new(transit));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transit_engine_seals_the_master_key_and_is_not_asked_for_events() {
    let database = Database::sqlite();
    let engine = TransitEngine::start().await;
    let service = database.service_with(transit(&engine, TOKEN)).await;
    let file = database.dir.path().join("master.key");
    let sealed = std::fs::read_to_string(&file).unwrap();
    assert!(sealed.starts_with("vault:v1:"), "{sealed}");
    assert_eq!(engine.calls(), ["encrypt", "decrypt"]);
    for n in 0..20 {
        service
            .send(assignment(
                &format!("E{n}"),
                &format!("U{n}"),
                &format!("O{n}"),
                "secret",
            ))
            .await;
    }
    let store = database.store().await;
    service.caught_up(&*store, 20).await;
    assert_eq!(email(&service, "o7").await, "box@O7.example");
    assert_eq!(engine.calls().len(), 2, "asked at the start only");

    // the engine's key is rotated, and then ours
    engine.rotate(false);
    let token = database.dir.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let program = Program::new(&database)
        .env("WARMLEDGER_TRANSIT_URL", &engine.address)
        .env("WARMLEDGER_TRANSIT_KEY", "warmledger")
        .env("WARMLEDGER_TRANSIT_TOKEN_FILE", token.to_str().unwrap());
    let old = in_use(&*store).await;
    let ended = program.run("keys rotate").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let lines = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        lines.lines().filter(|line| line.starts_with("vault:v2:")).count(),
        2,
        "{lines}"
    );
    // no data key needs the engine's old version any more
    engine.retire_old();
    service.send(assignment("E20", "U20", "O20", "secret")).await;
    assert_eq!(in_use(&*store).await.len(), 1);
    assert_ne!(in_use(&*store).await, old);
    service.stop().await;
    let service = database.service_with(transit(&engine, TOKEN)).await;
    assert_eq!(email(&service, "o7").await, "box@O7.example");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_transit_engine_is_said_without_its_token() {
    let database = Database::sqlite();
    let engine = TransitEngine::start().await;
    let error = refused(&database, transit(&engine, "planted-planted-planted")).await;
    assert!(
        error.contains("permission denied") && error.contains("403") && !error.contains("planted-planted-planted"),
        "{error}"
    );
    assert!(
        error.contains("warmledger") && error.contains(&engine.address),
        "{error}"
    );
    assert!(!database.dir.path().join("master.key").exists());
    // a transient failure is retried
    engine.fail([StatusCode::SERVICE_UNAVAILABLE, StatusCode::BAD_GATEWAY]);
    database.service_with(transit(&engine, TOKEN)).await.stop().await;
    engine.fail([StatusCode::SERVICE_UNAVAILABLE; 3]);
    let error = refused(&database, transit(&engine, TOKEN)).await;
    assert!(error.contains("503") && error.contains("on purpose"), "{error}");
    engine.rotate(true);
    let error = refused(&database, transit(&engine, TOKEN)).await;
    assert!(error.contains("disallowed by policy"), "{error}");
    // the file alone opens nothing
    let error = refused(&database, |_| {}).await;
    assert!(error.contains("transit_url"), "{error}");

    let mut gone = database.settings();
    transit(&engine, TOKEN)(&mut gone);
    if let MasterKeySettings::Transit(_, transit) = &mut gone.master_key {
        transit.url = Url::parse("http://127.0.0.1:9").unwrap();
    }
    let error = Service::start(&gone, metrics())
        .await
        .err()
        .map(|error| format!("{error:#}"));
    assert!(error.is_some_and(|error| error.contains("did not answer") && error.contains("127.0.0.1:9")));
}
