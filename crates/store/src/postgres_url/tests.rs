use super::*;

fn parse(text: &str) -> Result<PostgresUrl, String> {
    PostgresUrl::parse(text, |_| None)
}

fn good(text: &str) -> PostgresUrl {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn password(url: &PostgresUrl) -> Option<&str> {
    url.password.as_ref().map(|password| password.expose().as_str())
}

#[test]
fn the_parts_are_those_that_libpq_finds() {
    let url =
        good("postgres://me:hunter2@db:5433/ledger?sslmode=require&connect_timeout=7&target_session_attrs=read-write");
    assert_eq!((url.user.as_deref(), password(&url)), (Some("me"), Some("hunter2")));
    assert_eq!(url.database.as_deref(), Some("ledger"));
    let host = |name: &str| Some(Host::Tcp(name.to_owned()));
    let server = |host, port| Server { host, port };
    assert_eq!(url.servers, [server(host("db"), Some(5433))]);
    assert_eq!(url.tls.mode, SslMode::Require);
    assert_eq!(url.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(url.target_session_attrs, SessionAttrs::ReadWrite);

    let many = good("postgresql://a,b:2,[::1]:3/ledger");
    assert_eq!(
        many.servers,
        [
            server(host("a"), None),
            server(host("b"), Some(2)),
            server(host("::1"), Some(3))
        ]
    );
    let named = good("postgres:///?host=a,/run/pg&port=7&user=me&password=p%26w%20d&dbname=x");
    let socket = Some(Host::Socket("/run/pg".into()));
    assert_eq!(named.servers, [server(host("a"), Some(7)), server(socket, Some(7))]);
    assert_eq!(
        (password(&named), named.database.as_deref()),
        (Some("p&w d"), Some("x"))
    );
    let encoded = good("postgres://me:%2F%3F%23%40%25%3A:+@%2Frun%2Fpg:7/l");
    assert_eq!(password(&encoded), Some("/?#@%::+"));
    assert_eq!(encoded.servers, [server(Some(Host::Socket("/run/pg".into())), Some(7))]);
    assert_eq!(good("postgres://").servers, [server(None, None)]);
    assert_eq!(
        good("postgres://db/x?channel_binding=prefer&gssencmode=disable").tls,
        Tls::default()
    );
}

#[test]
fn a_password_is_never_shown() {
    for (text, shown) in [
        (
            "postgres://me:hunter2@db:5432/ledger",
            "postgres://me:***@db:5432/ledger",
        ),
        (
            "postgres://me@db/l?password=hunter2&sslmode=require",
            "postgres://me:***@db/l?sslmode=require",
        ),
        ("postgresql:///l?host=/run/pg&PASS%77ord=1", ""),
        ("postgres://me:%2Fhunter2@a:1,b/l", "postgres://me:***@a:1,b/l"),
        ("postgres://:hunter2@[::1]/l", "postgres://:***@[::1]/l"),
        (
            "postgres:///l?host=/run/pg&port=7&password=hunter2",
            "postgres://:***@/l?host=/run/pg&port=7",
        ),
        ("postgres:///l?options=-c%20a.b%3Dhunter2", "postgres:///l?options=***"),
        ("postgres://a%40b:hunter2@db", "postgres://a%40b:***@db"),
        ("postgres://", "postgres://"),
    ] {
        match parse(text) {
            Ok(url) => {
                assert_eq!(
                    (url.to_string(), format!("{url:?}")),
                    (shown.to_owned(), shown.to_owned())
                );
                // the shown form can be parsed again
                assert!(text.contains("options") || parse(shown).is_ok(), "{shown}");
            }
            Err(_) => assert_eq!(shown, "", "{text}"),
        }
    }
}

/// Forms in which other parsers mistake a part of the password for something else, and print or log it.
#[test]
fn what_could_be_read_in_two_ways_is_refused_without_quoting_it() {
    for text in [
        "postgres://me:/hunter2@db/l",
        "postgres://me:?hunter2@db/l",
        "postgres://me:#hunter2@db/l",
        "postgres://me:1234/hunter2@db/l",
        "postgres://me:12?hunter2@db/l",
        "postgres://me:hunter2@x@db/l",
        "postgres://me:hun%ter2@db/l",
        "postgres://me:hunter2%@db/l",
        "postgres://me:%ff%fehunter2@db/l",
        "postgres://me:hunter2%00@db/l",
        "postgres://me:hunter2 @db/l",
        "postgres://me:hunter2",
        "postgres://me:1/hunter2/l",
        "postgres://db/l?pasword=hunter2",
        "postgres://db/l?sslpassword=hunter2",
        "postgres://db/l?password=a&hunter2",
        "postgres://db/l?password=a&hunter2=x",
        "postgres://db/l?password=a#hunter2",
        "postgres://db/l?password=a&password=hunter2",
        "postgres://me:a@db/l?password=hunter2",
        "postgres://db/l?sslmode=hunter2",
        "postgres://db/l?port=hunter2",
        "postgres://db:hunter2/l",
        "postgres://db/l?connect_timeout=hunter2",
        "postgres://db/l?target_session_attrs=hunter2",
        "postgres://db/l?options=hunter2",
        "postgres://[hunter2/l",
        "postgres://[::1]hunter2/l",
        "postgres://db/postgres%3A%2F%2Fme:hunter2",
        "mysql://me:hunter2@db/l",
    ] {
        let error = parse(text).expect_err(text);
        assert!(!error.contains("hunter2"), "{text}: {error}");
    }
    let refused = |text: &str, word: &str| {
        let error = parse(text).expect_err(text);
        assert!(error.contains(word), "{text}: {error}");
    };
    refused("postgres://me:/x@db/l", "/ as %2F");
    refused("postgres://db/l?pasword=x", "did you mean password?");
    refused("postgres://db/l?slmode=x", "did you mean sslmode?");
    refused("postgres://db/l?zzz=x", "known are host, port");
    refused("postgres://db/l?sslpassword=x", "openssl pkey");
    refused("postgres://db/l?channel_binding=require", "disable or prefer only");
    refused("postgres://db/l?keepalives=1", "tcp_keepalive");
}

#[test]
fn sslmode_means_what_it_means_to_libpq() {
    let tls = |query: &str| parse(&format!("postgres://db/l?{query}")).map(|url| url.tls);
    let mode = |query: &str| tls(query).map(|tls| tls.mode);
    assert_eq!(mode(""), Ok(SslMode::Prefer));
    for one in SslMode::ALL.into_iter().filter(|mode| *mode != SslMode::VerifyCa) {
        assert_eq!(mode(&format!("sslmode={}", one.as_str())), Ok(one));
    }
    assert_eq!(mode("sslmode=require&sslrootcert=/ca.pem"), Ok(SslMode::VerifyCa));
    assert_eq!(mode("sslmode=verify-ca&sslrootcert=/ca.pem"), Ok(SslMode::VerifyCa));
    assert_eq!(mode("sslrootcert=system"), Ok(SslMode::VerifyFull));
    assert_eq!(
        tls("sslmode=verify-full&sslrootcert=system").map(|tls| tls.certificates.root),
        Ok(None)
    );
    let client = tls("sslmode=require&sslcert=/c.pem&sslkey=/c.key").map(|tls| tls.certificates.client);
    assert_eq!(client, Ok(Some(("/c.pem".into(), "/c.key".into()))));
    for (query, word) in [
        ("sslmode=allow", "prefer"),
        ("sslmode=Require", "allowed are disable"),
        ("sslmode=verify-ca", "sslrootcert"),
        ("sslmode=verify-ca&sslrootcert=system", "verify-full"),
        ("sslmode=require&sslrootcert=system", "verify-full"),
        ("sslrootcert=/ca.pem", "verify-full"),
        ("sslmode=disable&sslrootcert=/ca.pem", "verify-full"),
        ("sslcert=/c.pem", "sslkey"),
        ("sslrootcert=", "no value"),
    ] {
        let error = tls(query).expect_err(query);
        assert!(error.contains(word), "{query}: {error}");
    }
}

#[test]
fn the_environment_says_what_the_url_leaves_open() {
    let environment = |name: &str| {
        let value = match name {
            "PGHOST" => "db",
            "PGPORT" => "7",
            "PGUSER" => "me",
            "PGPASSWORD" => "hunter2",
            "PGSSLMODE" => "require",
            "PGDATABASE" => "",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let shown = |text: &str| PostgresUrl::parse(text, environment).map(|url| url.to_string());
    assert_eq!(
        shown("postgres://").as_deref(),
        Ok("postgres://me:***@db:7?sslmode=require")
    );
    assert_eq!(
        shown("postgres://you:x@other:8/l?sslmode=prefer").as_deref(),
        Ok("postgres://you:***@other:8/l")
    );
}

#[test]
fn options_are_settings_of_the_session() {
    let options = |text: &str| {
        let url = parse(&format!("postgres://db/l?options={text}"))?;
        let plain = url
            .options
            .into_iter()
            .map(|(name, value)| (name, value.expose().clone()));
        Ok::<_, String>(plain.collect::<Vec<_>>())
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        options("-c%20geqo=off%20-cjit=on%20--search-path=a%5C%20b"),
        Ok(vec![pair("geqo", "off"), pair("jit", "on"), pair("search_path", "a b")])
    );
    for bad in ["geqo=off", "-c", "-c%20geqo", "-c%20a%3Bb=1"] {
        assert!(options(bad).is_err(), "{bad}");
    }
}
