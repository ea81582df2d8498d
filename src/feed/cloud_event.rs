//! An event as CloudEvents 1.0: the plain facts, no sealed sections.

use aggregates::Source;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::uri::path_segment;
use store::{StoreError, StoredEvent};

/// The source of the ledger's own events: the access log.
const OWN_SOURCE: &str = "/api/v1/access";

/// An event in the JSON format of CloudEvents 1.0, without sealed sections.
#[derive(Serialize)]
pub struct CloudEvent {
    /// The version of CloudEvents.
    specversion: &'static str,
    /// The sender's id of the event; unique together with `source`.
    id: String,
    /// The event's origin: `/webhooks/<source>`, or `/api/v1/access` for access events; a URI reference relative to
    /// this service.
    source: String,
    /// The stored event type.
    r#type: String,
    /// When it was recorded.
    time: Timestamp,
    /// Its stream.
    subject: String,
    /// The media type of `data`.
    datacontenttype: &'static str,
    /// The plain facts, byte for byte as stored.
    data: Box<RawValue>,
    /// Extension: its position in the log, 1, 2, 3, … without gaps.
    position: u64,
    /// Extension: its stream, as in `subject`.
    stream: String,
    /// Extension: its version in the stream, 1, 2, 3, …
    version: u32,
    /// Extension: the schema version of `data`.
    schemaversion: u32,
}

impl CloudEvent {
    /// The event as JSON.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written.
    pub fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self)
            .map_err(|error| StoreError::Corrupt(format!("the event at position {}: {error}", self.position)))
    }

    /// The event without its data, for readers with a limit on message size: `dataref` names where to read it, relative
    /// to this service, with scope `audit`.
    ///
    /// Source: the CloudEvents extension "Dataref (Claim Check Pattern)",
    /// <https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/dataref.md>.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it cannot be written.
    pub fn to_json_without_data(&self) -> Result<String, StoreError> {
        let claim = Claim {
            specversion: self.specversion,
            id: &self.id,
            source: &self.source,
            r#type: &self.r#type,
            time: self.time,
            subject: &self.subject,
            dataref: format!("/api/v1/events?after={}&limit=1", self.position.saturating_sub(1)),
            position: self.position,
            stream: &self.stream,
            version: self.version,
            schemaversion: self.schemaversion,
        };
        serde_json::to_string(&claim)
            .map_err(|error| StoreError::Corrupt(format!("the event at position {}: {error}", self.position)))
    }
}

/// See [`CloudEvent::to_json_without_data`].
#[derive(Serialize)]
struct Claim<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: Timestamp,
    subject: &'a str,
    dataref: String,
    position: u64,
    stream: &'a str,
    version: u32,
    schemaversion: u32,
}

impl TryFrom<StoredEvent> for CloudEvent {
    type Error = StoreError;

    fn try_from(event: StoredEvent) -> Result<Self, StoreError> {
        let stream = String::from(event.stream);
        Ok(Self {
            specversion: "1.0",
            id: event.event_id.into(),
            source: match &event.source {
                own if *own == Source::own() => OWN_SOURCE.to_owned(),
                sender => format!("/webhooks/{}", path_segment(sender.as_str())),
            },
            r#type: event.type_name,
            time: event.recorded_at,
            subject: stream.clone(),
            datacontenttype: "application/json",
            data: RawValue::from_string(event.facts)
                .map_err(|error| StoreError::Corrupt(format!("facts at position {}: {error}", event.position)))?,
            position: event.position.0,
            stream,
            version: event.version,
            schemaversion: event.schema_version,
        })
    }
}
