//! NATS and the transit engine over TLS.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use warmledger::sealing::KeyMaterial;
use warmledger::secret::Secret;
use warmledger::settings::{MasterKeySettings, NatsUrl};
use warmledger::tls::Certificates;
use warmledger::vault::{Transit, TransitSettings, TransitToken};

use crate::erasure::assignment;
use crate::support::Database;
use crate::support::certificates::{Authority, write};
use crate::support::child::ChildService;
use crate::support::nats::NatsServer;
use crate::support::transit::{TOKEN, TransitEngine};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_reach_nats_over_tls_and_the_log_says_what_is_wrong_with_a_certificate() {
    let database = Database::sqlite();
    let (authority, other) = (Authority::new("a test's authority"), Authority::new("other"));
    let (server, client) = (authority.server(&["localhost"]), authority.client("warmledger"));
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| write(files.path(), name, text);
    let certificates = Certificates {
        root: Some(file("ca.pem", &authority.pem())),
        client: Some((file("client.pem", &client.certificate), file("client.key", &client.key))),
    };
    let (certificate, key) = (file("server.pem", &server.certificate), file("server.key", &server.key));
    let mut nats = NatsServer::encrypted(
        &format!(
            "tls {{ cert_file: '{}', key_file: '{}', ca_file: '{}', verify: true }}\n",
            certificate.display(),
            key.display(),
            files.path().join("ca.pem").display()
        ),
        certificates.clone(),
    );
    nats.start().await;
    let url = NatsUrl {
        certificates,
        ..NatsUrl::parse(&nats.url()).unwrap()
    };
    let service = database.service_with(|settings| settings.nats_url = Some(url)).await;
    service.send(assignment("E1", "U", "O", "secret")).await;
    let begun = Instant::now();
    while nats.count().await < 1 {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing was published");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.stop().await;

    let other = file("other.pem", &other.pem());
    let (ca, pem, key) = (
        files.path().join("ca.pem"),
        files.path().join("client.pem"),
        files.path().join("client.key"),
    );
    let by_address = nats.url().replace("localhost", "127.0.0.1");
    let localhost = nats.url();
    for (url, root, with_client, words) in [
        (
            &localhost,
            &other,
            true,
            "name the file of that authority's certificate with nats_root_certificate",
        ),
        (&by_address, &ca, true, "is for localhost, and not for 127.0.0.1"),
        (&localhost, &ca, false, "nats_client_certificate and nats_client_key"),
    ] {
        let mut environment = vec![
            ("WARMLEDGER_NATS_URL".to_owned(), url.clone()),
            (
                "WARMLEDGER_NATS_ROOT_CERTIFICATE".to_owned(),
                root.display().to_string(),
            ),
        ];
        if with_client {
            environment.push((
                "WARMLEDGER_NATS_CLIENT_CERTIFICATE".to_owned(),
                pem.display().to_string(),
            ));
            environment.push(("WARMLEDGER_NATS_CLIENT_KEY".to_owned(), key.display().to_string()));
        }
        let config = environment.iter().map(|(key, value)| {
            let key = key.trim_start_matches("WARMLEDGER_").to_lowercase();
            format!("{key} = {}\n", Value::from(value.as_str()))
        });
        let config = file("warmledger.toml", &config.collect::<String>());
        let service = ChildService::start_with(&database, &["--config", &config.display().to_string()]).await;
        let begun = Instant::now();
        while !service.log().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{words}: {}", service.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// async-nats would log how it connects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_holds_the_password_of_nats() {
    let database = Database::sqlite();
    let mut nats = NatsServer::new();
    nats.start().await;
    let url = nats.url().replace("//", "//me:planted-%2Fpassword@");
    let config = write(
        database.dir.path(),
        "warmledger.toml",
        &format!("nats_url = \"{url}\"\n"),
    );
    let config = config.display().to_string();
    let loudest = "trace,async_nats=trace,async_nats::connection=trace";
    let service = ChildService::start_with(&database, &["--config", &config, "--log", loudest]).await;
    let begun = Instant::now();
    while !service.log().contains("events are published to NATS") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", service.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let log = service.log();
    assert!(log.contains("async_nats"), "the log is at its loudest");
    assert!(!log.contains("planted"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transit_engine_is_asked_over_tls() {
    let (authority, other) = (Authority::new("a test's authority"), Authority::new("other"));
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| write(files.path(), name, text);
    let (ca, other) = (file("ca.pem", &authority.pem()), file("other.pem", &other.pem()));
    let client = authority.client("warmledger");
    let client = Some((file("client.pem", &client.certificate), file("client.key", &client.key)));
    let good = TransitEngine::encrypted(&authority, &authority.server(&["localhost"])).await;
    let expired = TransitEngine::encrypted(&authority, &authority.expired(&["localhost"])).await;
    let by_address = good.address.replace("localhost", "127.0.0.1");
    let settings = |address: &str, root: Option<&PathBuf>, client: &Option<(PathBuf, PathBuf)>| TransitSettings {
        url: address.parse().unwrap(),
        mount: "transit".to_owned(),
        key: "warmledger".to_owned(),
        token: TransitToken::Given(Secret::new(TOKEN.to_owned())),
        certificates: Certificates {
            root: root.cloned(),
            client: client.clone(),
        },
    };
    let ask = async |address: &str, root: Option<&PathBuf>, client: &Option<(PathBuf, PathBuf)>| {
        let transit = Transit::new(settings(address, root, client)).map_err(|error| error.to_string())?;
        let sealed = transit.encrypt(&KeyMaterial::generate()).await;
        sealed.map_err(|error| error.to_string())
    };
    let sealed = ask(&good.address, Some(&ca), &client).await.unwrap();
    assert!(sealed.starts_with(Transit::PREFIX));
    for (address, root, client, words) in [
        (&good.address, Some(&other), &client, "with transit_root_certificate"),
        (&good.address, None, &client, "with transit_root_certificate"),
        (
            &by_address,
            Some(&ca),
            &client,
            "is for localhost, and not for 127.0.0.1",
        ),
        (&expired.address, Some(&ca), &client, "has expired"),
        (
            &good.address,
            Some(&ca),
            &None,
            "transit_client_certificate and transit_client_key",
        ),
    ] {
        let error = ask(address, root, client).await.err().unwrap();
        assert!(error.contains(words), "{words}: {error}");
    }
    let database = Database::sqlite();
    let service = database
        .service_with(|changed| {
            let file = database.dir.path().join("master.key");
            changed.master_key =
                MasterKeySettings::Transit(file, Box::new(settings(&good.address, Some(&ca), &client)));
        })
        .await;
    service.stop().await;
}
