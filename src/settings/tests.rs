use std::collections::HashMap;

use aggregates::Source;

use super::keys::Unset;
use super::*;

/// A text that must never appear in an error or in the effective settings.
const PLANTED: &str = "hunter2-hunter2-hunter2";

fn load(file: Option<&str>, environment: &[(&str, &str)], flags: &Flags) -> Result<Settings, String> {
    let file = file.map(|text| layers::File {
        path: "w.toml".into(),
        text: text.to_owned(),
    });
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Settings::from_layers(file, environment, flags).map_err(|error| error.to_string())
}

fn from_file(text: &str) -> Result<Settings, String> {
    load(Some(text), &[], &Flags::default())
}

fn from_env(environment: &[(&str, &str)]) -> Result<Settings, String> {
    load(None, environment, &Flags::default())
}

fn refusal(loaded: Result<Settings, String>) -> String {
    let error = loaded.err().expect("an error");
    assert!(!error.contains(PLANTED), "{error}");
    error
}

fn shown(settings: &Settings, key: &str) -> EffectiveSetting {
    settings.effective().into_iter().find(|row| row.key == key).expect(key)
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nlog = \"warn\"\nqueue_capacity = 7\n[sources.sandbox]\nwebhook_key = \"the sandbox's own key\"";
    let environment = [
        ("WARMLEDGER_LISTEN", "127.0.0.1:2"),
        ("WARMLEDGER_LOG", "error"),
        ("PATH", "/bin"),
    ];
    let flags = Flags {
        listen: Some("127.0.0.1:3".to_owned()),
        ..Flags::default()
    };
    let settings = load(Some(file), &environment, &flags).expect("settings");
    assert_eq!(
        (
            settings.listen.port(),
            settings.log.as_str(),
            settings.queue_capacity.get()
        ),
        (3, "error", 7)
    );
    assert_eq!(*settings.origin("listen"), Origin::Flag("--listen"));
    assert_eq!(
        *settings.origin("log"),
        Origin::Environment("WARMLEDGER_LOG".to_owned())
    );
    assert_eq!(*settings.origin("queue_capacity"), Origin::File("w.toml".into()));
    assert_eq!(
        *settings.origin("sources.sandbox.webhook_key"),
        Origin::File("w.toml".into())
    );
    assert_eq!(*settings.origin("log_format"), Origin::Default);
}

#[test]
fn a_nested_key_can_be_set_or_overridden_by_the_environment() {
    let environment = [
        (
            "WARMLEDGER_SOURCES__SANDBOX__WEBHOOK_KEY",
            "the-first-key-of-it, the-second-key-of-it",
        ),
        ("WARMLEDGER_SOURCES__OTHER__WEBHOOK_KEY", "the-other-one's-key"),
    ];
    let file = "signature = \"timestampbody\"\nfreshness = \"90s\"\n[sources.sandbox]\nwebhook_key = \"the key of the file\"\nsignature = \"body\"\nfreshness = \"1d\"";
    let settings = load(Some(file), &environment, &Flags::default()).expect("settings");
    let sources: Vec<_> = settings
        .sources
        .iter()
        .map(|(name, source)| {
            (
                name.as_str(),
                source.signature,
                source
                    .webhook_key
                    .iter()
                    .map(|key| key.expose().as_str())
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    for (text, seconds) in [
        ("0", 0),
        ("0s", 0),
        ("90s", 90),
        ("1d 12h", 129_600),
        ("36 hours", 129_600),
    ] {
        let kept = from_env(&[("WARMLEDGER_REFUSED_KEEP", text)]).expect(text).refused_keep;
        assert_eq!(kept, Duration::from_secs(seconds), "{text}");
    }
    let fresh = |name: &str| settings.sources[&Source::parse(name).expect("a source")].freshness;
    assert_eq!(
        (settings.freshness, fresh("other"), fresh("sandbox")),
        (
            Duration::from_secs(90),
            Duration::from_secs(90),
            Duration::from_secs(86_400)
        )
    );
    assert_eq!(
        shown(&settings, "sources.sandbox.freshness").value.as_deref(),
        Some("1d")
    );
    assert_eq!(
        sources,
        [
            ("other", Scheme::TimestampBody, vec!["the-other-one's-key"]),
            (
                "sandbox",
                Scheme::Body,
                vec!["the-first-key-of-it", "the-second-key-of-it"]
            )
        ]
    );
}

#[test]
fn an_empty_variable_sets_nothing_but_is_still_checked_for_its_name() {
    let settings = from_env(&[("WARMLEDGER_WEBHOOK_KEY", ""), ("WARMLEDGER_ADMIN_TOKEN", "")]).expect("settings");
    assert!(settings.webhook_key.is_none() && settings.admin_token.is_none());
    assert!(refusal(from_env(&[("WARMLEDGER_ADMIN_TOKN", "")])).contains("WARMLEDGER_ADMIN_TOKEN"));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    for (text, expected) in [
        (
            "lsiten = \"hunter2-hunter2-hunter2\"",
            "setting `lsiten` (file w.toml): is unknown; did you mean `listen`?",
        ),
        (
            "colour = \"hunter2-hunter2-hunter2\"",
            "is unknown; known are database_url, database_url_file, listen,",
        ),
        (
            "[source.x]\nwebhook_key = \"hunter2-hunter2-hunter2\"",
            "did you mean `sources`?",
        ),
        (
            "[listen]\nport = \"hunter2-hunter2-hunter2\"",
            "`listen` has no keys below it",
        ),
        (
            "[sources.x]\nwebhook_kye = \"hunter2-hunter2-hunter2\"",
            "did you mean `sources.x.webhook_key`?",
        ),
        (
            "[sources.x]\nwebhook_key = \"hunter2-hunter2-hunter2\"\n[sources.x.a]\nb = 1",
            "setting `sources.x.a.b`",
        ),
        ("[sources.x.a]", "setting `sources.x.a`"),
        (
            "sources = \"hunter2-hunter2-hunter2\"",
            "must be tables: [sources.NAME]",
        ),
        (
            "[sources]\nx = \"hunter2-hunter2-hunter2\"",
            "must be a table with the keys webhook_key, signature and freshness",
        ),
        ("Listen = \"hunter2-hunter2-hunter2\"", "did you mean `listen`?"),
    ] {
        let error = refusal(from_file(text));
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (name, expected) in [
        (
            "WARMLEDGER_LISTNE",
            "(environment variable WARMLEDGER_LISTNE): is unknown; did you mean `WARMLEDGER_LISTEN`?",
        ),
        ("WARMLEDGER_listen", "did you mean `WARMLEDGER_LISTEN`?"),
        ("WARMLEDGER_WEBHOOK__KEY", "did you mean `WARMLEDGER_WEBHOOK_KEY`?"),
        (
            "WARMLEDGER_SOURCES__X__SIGNATUR",
            "did you mean `WARMLEDGER_SOURCES__X__SIGNATURE`?",
        ),
        ("WARMLEDGER_SOURCES__X", "must be a table"),
        ("WARMLEDGER_", "known are WARMLEDGER_DATABASE_URL"),
        ("WARMLEDGER_LOG[0]", "is unknown"),
    ] {
        let error = refusal(from_env(&[(name, PLANTED)]));
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_bad_value_is_refused_with_what_is_allowed() {
    for (name, value, expected) in [
        (
            "WARMLEDGER_LISTEN",
            "localhost",
            "\"localhost\" is not an address; allowed is IP:PORT",
        ),
        (
            "WARMLEDGER_SIGNATURE",
            "timestamp-body",
            "allowed are timestamp.body, timestampbody, body",
        ),
        (
            "WARMLEDGER_LOG_FORMAT",
            "JSON",
            "allowed are pretty, json (did you mean json?)",
        ),
        (
            "WARMLEDGER_QUEUE_CAPACITY",
            "0",
            "\"0\" is not allowed; allowed is a whole number from 1 to 1000000",
        ),
        (
            "WARMLEDGER_LAG_LIMIT_SECONDS",
            "1.5",
            "allowed is a whole number from 1 to 86400",
        ),
        (
            "WARMLEDGER_READY_WITH_PARKED",
            "yes",
            "\"yes\" is not allowed; allowed are true and false",
        ),
        (
            "WARMLEDGER_LOG",
            "debgu",
            "\"debgu\" is not a level (did you mean debug?)",
        ),
        (
            "WARMLEDGER_LOG",
            "warmledger=loud",
            "\"warmledger=loud\" is not a filter",
        ),
        (
            "WARMLEDGER_DATABASE_URL",
            "mysql://a:hunter2-hunter2-hunter2@b/c",
            "unknown scheme; allowed are sqlite:PATH and postgres://",
        ),
        (
            "WARMLEDGER_WEBHOOK_KEY",
            "hunter2-hunter2-hunter2,,",
            "holds an empty key",
        ),
        (
            "WARMLEDGER_ADMIN_TOKEN",
            "hunter2-hunter2-hunter2 hunter2-hunter2-hunter2",
            "visible ASCII",
        ),
        (
            "WARMLEDGER_NATS_URL",
            "http://hunter2-hunter2-hunter2@n",
            "allowed are nats://HOST:4222",
        ),
        (
            "WARMLEDGER_FRESHNESS",
            "0s",
            "\"0s\" is not allowed; allowed is a time from 1s to 30d, such as 90s, 5m, 24h or 7d",
        ),
        ("WARMLEDGER_FRESHNESS", "300", "such as 90s, 5m"),
        ("WARMLEDGER_REFUSED_KEEP", "91d", "allowed is a time from 0s to 90d"),
        ("WARMLEDGER_REFUSED_KEEP", "-1d", "allowed is a time from 0s to 90d"),
        (
            "WARMLEDGER_DELIVERIES_KEEP",
            "1 month",
            "allowed is a time from 1h to 3650d",
        ),
        (
            "WARMLEDGER_SOURCES__X__SIGNATURE",
            "bodi",
            "setting `sources.x.signature`",
        ),
    ] {
        let error = refusal(from_env(&[(name, value)]));
        assert!(
            error.contains(expected) && error.contains(&format!("environment variable {name}")),
            "{error}"
        );
    }
    let flags = Flags {
        log_format: Some("xml".to_owned()),
        ..Flags::default()
    };
    assert!(refusal(load(None, &[], &flags)).contains("setting `log_format` (flag --log-format): \"xml\" is unknown"));
}

#[test]
fn a_value_of_a_wrong_type_is_refused_without_quoting_it() {
    for (text, expected) in [
        (
            "webhook_key = [\"hunter2-hunter2-hunter2\"]",
            "setting `webhook_key` (file w.toml): is a list; allowed is text in quotes",
        ),
        ("admin_token = 12", "is a number; allowed is text in quotes"),
        ("queue_capacity = true", "is true or false; allowed is a whole number"),
        ("lag_limit_seconds = 1.5", "is a fraction"),
        ("ready_with_parked = 1", "is a number; allowed is true or false"),
    ] {
        let error = refusal(from_file(text));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_syntax_error_names_its_place_without_showing_the_line() {
    let error = refusal(from_file(
        "listen = \"127.0.0.1:1\"\nwebhook_key = hunter2-hunter2-hunter2\n",
    ));
    assert!(error.starts_with("settings file w.toml, line 2, column 15:"), "{error}");
    refusal(from_file("webhook_key = \"hunter2-hunter2-hunter2"));
    refusal(from_file("webhook_key = \"\\hunter2-hunter2-hunter2\""));
    refusal(from_file(
        "admin_token = \"hunter2-hunter2-hunter2\"\nadmin_token = \"hunter2-hunter2-hunter2\"",
    ));
}

#[test]
fn every_problem_is_told_at_once() {
    let error = refusal(from_env(&[
        ("WARMLEDGER_LISTEN", "x"),
        ("WARMLEDGER_LOG_FORMAT", "y"),
        ("WARMLEDGER_Z", "z"),
    ]));
    assert!(error.starts_with("3 settings are wrong:\n  "), "{error}");
}

#[test]
fn a_source_needs_a_name_and_a_key_of_its_own() {
    for (text, expected) in [
        (
            "[sources.x]",
            "setting `sources.x.webhook_key` (file w.toml): is missing",
        ),
        (
            "[sources.x]\nsignature = \"body\"",
            "setting `sources.x.webhook_key` (file w.toml): is missing",
        ),
        (
            "[sources.\"A b\"]\nwebhook_key = \"hunter2-hunter2-hunter2\"",
            "is not a source's name",
        ),
        (
            "[sources.\"a.b\"]\nwebhook_key = \"hunter2-hunter2-hunter2\"",
            "is not a source's name",
        ),
        (
            "[sources.coldmailreseller]\nwebhook_key = \"hunter2-hunter2-hunter2\"",
            "is the source of the top-level webhook_key",
        ),
    ] {
        let error = refusal(from_file(text));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_effective_settings_hold_no_secret() {
    let settings = load(
        Some("webhook_key = \"hunter2-hunter2-hunter2, hunter3-hunter3-hunter3\"\n[sources.x]\nwebhook_key = \"hunter2-hunter2-hunter2\""),
        &[
            ("WARMLEDGER_ADMIN_TOKEN", PLANTED),
            ("WARMLEDGER_NATS_URL", "nats://hunter2-hunter2-hunter2@n"),
        ],
        &Flags {
            database_url: Some(Secret::new("postgres://me:hunter2-hunter2-hunter2@db/x".to_owned())),
            ..Flags::default()
        },
    )
    .expect("settings");
    let json = serde_json::to_string(&settings.effective()).expect("json");
    assert!(!json.contains(PLANTED), "{json}");
    assert_eq!(shown(&settings, "webhook_key").value.as_deref(), Some("(set, 2 keys)"));
    assert_eq!(
        shown(&settings, "sources.x.webhook_key").value.as_deref(),
        Some("(set)")
    );
    let url = shown(&settings, "database_url");
    assert_eq!(
        (url.value.as_deref(), url.origin),
        (Some("postgres://me:***@db/x"), "flag")
    );
    assert_eq!(url.from.as_deref(), Some("--database-url"));
}

#[test]
fn what_is_kept_in_the_data_directory_follows_it() {
    let settings = from_env(&[("WARMLEDGER_DATA_DIR", "/d")]).expect("settings");
    for (key, value) in [
        ("database_url", "sqlite:/d/warmledger.db"),
        ("webhook_key", "(from file /d/webhook.key)"),
        ("admin_token", "(from file /d/admin.token)"),
        ("master_key_file", "/d/master.key"),
    ] {
        assert_eq!(shown(&settings, key).value.as_deref(), Some(value));
        assert_eq!(shown(&settings, key).origin, "default");
    }
}

#[test]
fn the_example_file_is_what_the_settings_declare() {
    assert!(
        example() == include_str!("../../warmledger.example.toml"),
        "warmledger.example.toml differs from src/settings/declared.rs; to rewrite it, run:\n  \
         cargo run -- config --example > warmledger.example.toml"
    );
}

#[test]
fn the_example_documents_every_key_with_its_default_and_changes_nothing() {
    let example = example();
    let (own, source) = example.split_once("# [sources.").expect("a source");
    let defaults = from_file("").expect("defaults");
    assert_eq!(defaults.effective(), from_file(&example).expect("settings").effective());
    let lines = own.lines().filter_map(|line| line.strip_prefix("# "));
    let lines: Vec<&str> = lines.filter(|line| line.contains(" = ")).collect();
    let table: toml::Table = lines.join("\n").parse().expect("TOML");
    for (key, value) in &table {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        if setting.is_some_and(|setting| {
            setting.of.is_none() && matches!(setting.unset, Unset::Value(_) | Unset::InDataDir(..))
        }) {
            let number = || value.as_integer().map(|number| number.to_string());
            let flag = || value.as_bool().map(|flag| flag.to_string());
            let text = value.as_str().map(str::to_owned).or_else(number).or_else(flag);
            assert_eq!(shown(&defaults, key).value, text, "{key}");
        }
    }
    for setting in SETTINGS.iter() {
        assert!(table.contains_key(setting.key), "{}", setting.key);
    }
    let uncommented = format!("[sources.{source}").replace("\n# ", "\n");
    assert_eq!(from_file(&uncommented).expect("the example's source").sources.len(), 1);
}

#[test]
fn a_demo_does_not_touch_what_the_file_or_the_environment_names() {
    let file = "database_url = \"postgres://db/production\"\nwebhook_key = \"the provider's key\"\nlog = \"warn\"";
    let environment = [
        ("WARMLEDGER_DATA_DIR", "/production"),
        ("WARMLEDGER_SOURCES__X__WEBHOOK_KEY", "the provider's key"),
    ];
    let settings = load(Some(file), &environment, &Flags::default()).expect("settings");
    let demo = settings.clone().isolated(|| Ok("/fresh".into())).expect("directory");
    assert_eq!(
        shown(&demo, "database_url").value.as_deref(),
        Some("sqlite:/fresh/warmledger.db")
    );
    assert_eq!(
        shown(&demo, "master_key_file").value.as_deref(),
        Some("/fresh/master.key")
    );
    assert!(demo.webhook_key.is_none() && demo.sources.is_empty());
    assert_eq!(demo.log, "warn");

    let flags = Flags {
        data_dir: Some("/named".to_owned()),
        ..Flags::default()
    };
    let settings = load(Some(file), &environment, &flags).expect("settings");
    let demo = settings.isolated(|| panic!("a directory is named")).expect("directory");
    assert_eq!(
        shown(&demo, "database_url").value.as_deref(),
        Some("sqlite:/named/warmledger.db")
    );
}

#[test]
fn a_secret_that_can_be_guessed_is_refused() {
    let zeros = "00".repeat(32);
    for (name, value) in [
        ("WARMLEDGER_ADMIN_TOKEN", "x"),
        ("WARMLEDGER_ADMIN_TOKEN", "fifteen-bytes--"),
        ("WARMLEDGER_WEBHOOK_KEY", "k"),
        ("WARMLEDGER_WEBHOOK_KEY", "a-key-that-is-long-enough,k"),
        ("WARMLEDGER_SOURCES__X__WEBHOOK_KEY", "k"),
        ("WARMLEDGER_MASTER_KEY", zeros.as_str()),
        ("WARMLEDGER_TRANSIT_TOKEN", "root"),
    ] {
        let error = refusal(from_env(&[(name, value)]));
        assert!(error.contains("guess") && error.contains("openssl rand"), "{error}");
        assert!(!error.contains("fifteen") && !error.contains(&zeros), "{error}");
    }
    from_env(&[
        ("WARMLEDGER_ADMIN_TOKEN", "sixteen-bytes---"),
        ("WARMLEDGER_WEBHOOK_KEY", "sixteen-bytes---"),
    ])
    .expect("settings");
}

#[test]
fn certificates_belong_to_the_connection_that_they_are_for() {
    let settings = from_env(&[
        ("WARMLEDGER_NATS_URL", "tls://n"),
        ("WARMLEDGER_NATS_ROOT_CERTIFICATE", "/ca.pem"),
        ("WARMLEDGER_NATS_CLIENT_CERTIFICATE", "/c.pem"),
        ("WARMLEDGER_NATS_CLIENT_KEY", "/c.key"),
    ])
    .expect("settings");
    assert_eq!(shown(&settings, "nats_client_key").value.as_deref(), Some("/c.key"));
    for (environment, words) in [
        (
            vec![("WARMLEDGER_NATS_ROOT_CERTIFICATE", "/ca.pem")],
            "means nothing without nats_url",
        ),
        (
            vec![
                ("WARMLEDGER_NATS_URL", "nats://n"),
                ("WARMLEDGER_NATS_ROOT_CERTIFICATE", "/ca.pem"),
            ],
            "means nothing with nats://; write tls://",
        ),
        (
            vec![("WARMLEDGER_TRANSIT_CLIENT_KEY", "/c.key")],
            "means nothing without transit_url",
        ),
        (
            vec![
                ("WARMLEDGER_NATS_URL", "tls://n"),
                ("WARMLEDGER_NATS_CLIENT_KEY", "/c.key"),
            ],
            "needs nats_client_certificate too",
        ),
    ] {
        let error = refusal(from_env(&environment));
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_file_with_secrets_that_others_can_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("warmledger.toml");
    let exposed = |text: &str, mode: u32| {
        std::fs::write(&path, text).expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("chmod");
        let file = read_file(Some(&path)).expect("a file");
        let settings = Settings::from_layers(file, HashMap::new(), &Flags::default()).expect("settings");
        settings.exposed_file().map(|(file, who)| {
            assert_eq!(file, path);
            who
        })
    };
    let key = "webhook_key = \"0123456789abcdef0123456789abcdef\"";
    assert_eq!(exposed(key, 0o644).as_deref(), Some("others"));
    assert_eq!(exposed(key, 0o600), None);
    assert_eq!(exposed("listen = \"127.0.0.1:0\"", 0o644), None);
    assert_eq!(exposed("database_url = \"postgres://me@db/x\"", 0o644), None);
    let password = "database_url = \"postgres://me:hunter2@db/x\"";
    assert_eq!(exposed(password, 0o644).as_deref(), Some("others"));
    let source = "[sources.sandbox]\nwebhook_key = \"0123456789abcdef0123456789abcdef\"";
    assert_eq!(exposed(source, 0o644).as_deref(), Some("others"));
}
