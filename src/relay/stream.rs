//! The JetStream stream that the relay publishes to.

use std::future::IntoFuture;
use std::pin::Pin;
use std::time::Duration;

use aggregates::Position;
use async_nats::header::{HeaderName, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, RawMessageErrorKind, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, Event};
use tokio_util::sync::CancellationToken;

use super::RelayError;
use crate::feed::CloudEvent;
use crate::settings::NatsUrl;
use store::StoredEvent;
use tls::{Certificates, Names};

/// The stream's name.
const NAME: &str = "WARMLEDGER";
/// The first word of every subject.
const SUBJECT: &str = "warmledger";
/// The header that names an event's position.
const POSITION: &str = "Warmledger-Position";
/// The header of an event without data, as NATS accepts no message so large: the size of the whole event, in bytes.
const DATA_OMITTED: &str = "Warmledger-Data-Omitted";
/// The settings named in TLS errors.
const NAMES: Names = Names {
    root: "nats_root_certificate",
    client: "nats_client_certificate and nats_client_key",
};
/// How long JetStream remembers a message id.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Time-out for connecting and for each answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pending acknowledgement.
pub(super) type Ack = Pin<Box<dyn Future<Output = Result<(), RelayError>> + Send>>;

/// The last message of the stream.
pub(super) enum Last {
    /// The stream never had a message.
    Nothing,
    /// An event.
    Event {
        /// Its position, from the message's header.
        position: Position,
        /// The message id.
        id: String,
    },
    /// A message without a position.
    Unknown,
    /// The message was removed, by age or by hand.
    Removed,
}

/// A connection, and the state of the stream when it was made.
pub(super) struct Stream {
    context: Context,
    stream: jetstream::stream::Stream,
    lost: CancellationToken,
    /// The largest message that NATS accepts, headers included, in bytes.
    largest: usize,
}

impl Stream {
    /// Connects; creates the stream if it does not exist, and uses an existing one as it is.
    pub(super) async fn connect(url: &NatsUrl) -> Result<Self, RelayError> {
        let lost = CancellationToken::new();
        let told = lost.clone();
        let mut options = ConnectOptions::new()
            .name("warmledger")
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            // no reconnect: a new connection first reads the stream's last message
            .max_reconnects(1)
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::Closed) {
                    told.cancel();
                }
                std::future::ready(())
            });
        options = match (&url.user, &url.password) {
            (Some(user), Some(password)) => options.user_and_password(user.expose().clone(), password.expose().clone()),
            (Some(token), None) => options.token(token.expose().clone()),
            (None, _) => options,
        };
        if url.address.starts_with("tls:") || url.certificates != Certificates::default() {
            let config = url.certificates.client_config();
            options = options
                .require_tls(true)
                .tls_client_config(config.map_err(|error| RelayError::Nats(error.to_string()))?);
        }
        let client = options.connect(&url.address).await.map_err(nats)?;
        let largest = client.max_payload();
        let mut context = jetstream::new(client);
        context.set_timeout(PATIENCE);
        let stream = context
            .get_or_create_stream(Config {
                name: NAME.to_owned(),
                subjects: vec![format!("{SUBJECT}.>")],
                storage: StorageType::File,
                duplicate_window: DUPLICATE_WINDOW,
                ..Config::default()
            })
            .await
            .map_err(nats)?;
        // the stream may have a limit of its own; -1 is none
        let own = usize::try_from(stream.cached_info().config.max_message_size);
        let own = own.ok().filter(|own| *own > 0);
        Ok(Self {
            context,
            stream,
            lost,
            largest: own.map_or(largest, |own| own.min(largest)),
        })
    }

    /// The sequence number of the last message when the connection was made; 0 if there never was one.
    pub(super) fn last_sequence(&self) -> u64 {
        self.stream.cached_info().state.last_sequence
    }

    /// The last message.
    pub(super) async fn last(&self) -> Result<Last, RelayError> {
        let sequence = self.last_sequence();
        if sequence == 0 {
            return Ok(Last::Nothing);
        }
        let message = match self.stream.get_raw_message(sequence).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(Last::Removed),
            Err(error) => return Err(nats(error)),
        };
        let id = message.headers.get(NATS_MESSAGE_ID);
        let position = message
            .headers
            .get(POSITION)
            .and_then(|text| text.as_str().parse().ok());
        Ok(match (position, id) {
            (Some(position), Some(id)) => Last::Event {
                position: Position(position),
                id: id.to_string(),
            },
            _ => Last::Unknown,
        })
    }

    /// Sends an event, to be stored right after the message with the sequence number `after`, or not at all. Returns
    /// the pending acknowledgement. An event larger than NATS accepts is sent without its data, so that it does not
    /// block the next ones.
    pub(super) async fn publish(&self, event: StoredEvent, after: u64) -> Result<Ack, RelayError> {
        let (subject, id, position) = (subject(&event), message_id(&event), event.position.to_string());
        let event = CloudEvent::try_from(event)?;
        let mut payload = event.to_json()?;
        let mut headers = vec![(NATS_MESSAGE_ID, id), (NATS_EXPECTED_LAST_SEQUENCE, after.to_string())];
        headers.push((HeaderName::from_static(POSITION), position.clone()));
        if size(&headers) + payload.len() > self.largest {
            let bytes = payload.len();
            tracing::warn!(
                position,
                bytes,
                "an event is larger than NATS takes: its data is left out"
            );
            metrics::counter!("warmledger_relay_data_omitted_total").increment(1);
            headers.push((HeaderName::from_static(DATA_OMITTED), bytes.to_string()));
            payload = event.to_json_without_data()?;
        }
        let message = headers
            .into_iter()
            .fold(PublishMessage::build(), |message, (name, value)| {
                message.header(name, value)
            });
        let sent = self
            .context
            .send_publish(subject, message.payload(payload.into()))
            .await;
        let ack = sent.map_err(nats)?.into_future();
        Ok(Box::pin(
            async move { ack.await.map(drop).map_err(nats::<PublishError>) },
        ))
    }

    /// Returns once the connection is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

/// The message id of an event: an event id is unique only within its source.
pub(super) fn message_id(event: &StoredEvent) -> String {
    format!("{}/{}", event.source, event.event_id)
}

/// The size of headers in a message, in bytes: the version line, `name: value` lines, an empty line.
fn size(headers: &[(HeaderName, String)]) -> usize {
    let line = |(name, value): &(HeaderName, String)| AsRef::<str>::as_ref(name).len() + 2 + value.len() + 2;
    "NATS/1.0\r\n".len() + headers.iter().map(line).sum::<usize>() + 2
}

/// `warmledger.<category>.<type>`. Characters that NATS does not allow in a subject's word become `_`.
fn subject(event: &StoredEvent) -> String {
    let word = |text: &str| text.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '_'), "_");
    format!("{SUBJECT}.{}.{}", word(event.stream.category()), word(&event.type_name))
}

/// An error of the client, with its causes. They name servers and reasons, never credentials: the client is given an
/// address without any.
fn nats<E: std::error::Error + 'static>(error: E) -> RelayError {
    if let Some(words) = tls::explain(&error, NAMES) {
        return RelayError::Nats(words);
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    RelayError::Nats(text)
}
