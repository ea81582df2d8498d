//! The URL of a NATS server, shown without its password.

use std::fmt;

use percent_encoding::percent_decode_str;
use reqwest::Url;

use secret::Secret;
use store::postgres_url::MASK;
use tls::Certificates;

/// A NATS server, `nats://…` or `tls://…`. `Display` and `Debug` mask everything before the `@`: it may be a token.
#[derive(Clone)]
pub struct NatsUrl {
    /// Scheme, host and port, without credentials.
    pub address: String,
    /// The user name, or a token if there is no password.
    pub user: Option<Secret<String>>,
    /// The user's password.
    pub password: Option<Secret<String>>,
    /// Trusted roots and the client's certificate, for an encrypted connection.
    pub certificates: Certificates,
}

impl NatsUrl {
    /// Parses a NATS server's URL.
    ///
    /// # Errors
    /// A message about the problem and the allowed forms, without the text itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "nats" | "tls") && url.has_host())
            .ok_or("is not a NATS server; allowed are nats://HOST:4222 and tls://HOST:4222")?;
        // a path other than `/`, or an `@` after the host, means that a password ended early
        if !matches!(url.path(), "" | "/")
            || url.query().is_some()
            || url.fragment().is_some()
            || text.matches('@').count() > 1
        {
            return Err("has something behind host and port; percent-encode what is special in a user, password or token: / as \
                        %2F, ? as %3F, # as %23, @ as %40, % as %25; allowed are nats://HOST:4222 and tls://HOST:4222"
                .to_owned());
        }
        let decode = |text: &str| Secret::new(percent_decode_str(text).decode_utf8_lossy().into_owned());
        let host = url.host_str().unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self {
            address: format!("{}://{host}{port}", url.scheme()),
            user: Some(url.username()).filter(|user| !user.is_empty()).map(decode),
            password: url.password().map(decode),
            certificates: Certificates::default(),
        })
    }
}

impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = self.user.as_ref().map_or(String::new(), |_| format!("{MASK}@"));
        match self.address.split_once("://") {
            Some((scheme, host)) => write!(f, "{scheme}://{mask}{host}"),
            None => f.write_str(MASK),
        }
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nats_token_is_never_shown() {
        assert_eq!(
            NatsUrl::parse("nats://t0ken@n:4222")
                .map(|url| url.to_string())
                .as_deref(),
            Ok("nats://***@n:4222")
        );
        assert_eq!(
            NatsUrl::parse("nats://a:b@n").map(|url| format!("{url:?}")).as_deref(),
            Ok("nats://***@n")
        );
        assert_eq!(
            NatsUrl::parse("nats://n:4222").map(|url| url.to_string()).as_deref(),
            Ok("nats://n:4222")
        );
        assert!(NatsUrl::parse("http://n").is_err());
    }

    #[test]
    fn a_nats_address_holds_no_credentials() {
        let server = |text: &str| {
            let url = NatsUrl::parse(text).expect(text);
            let plain =
                |secret: Option<Secret<String>>| secret.map(|secret| secret.expose().clone()).unwrap_or_default();
            [url.address, plain(url.user), plain(url.password)]
        };
        assert_eq!(server("tls://me:p%40ss@n:4222"), ["tls://n:4222", "me", "p@ss"]);
        assert_eq!(server("nats://t0ken@n"), ["nats://n", "t0ken", ""]);
        assert_eq!(server("nats://[::1]:4222/"), ["nats://[::1]:4222", "", ""]);
    }

    #[test]
    fn a_nats_password_that_ends_early_is_refused_without_quoting_it() {
        for text in [
            "nats://me:/hunter2@n",
            "nats://me:1/hunter2@n",
            "nats://me:hunter2?x@n",
            "nats://me:hunter2#@n",
            "nats://a:hunter2@b@n",
        ] {
            let error = NatsUrl::parse(text).expect_err(text);
            assert!(error.contains("allowed") && !error.contains("hunter2"), "{error}");
        }
    }
}
