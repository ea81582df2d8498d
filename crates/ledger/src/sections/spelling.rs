//! The provider's own spelling of a webhook: its exact body again, from the event's facts and its opened sections.
//!
//! Facts, personal data and secrets of an assignment hold all that its body says, so the body itself need not be kept
//! if it is spelled as the provider spells it: compact, fields in the documented order, times in milliseconds. The
//! spelling is compared with the body before recording, so any other body is kept as it came, and nothing is ever
//! guessed. A spelling never changes once events rely on it; another way of spelling is another [`Spelling`].

use aggregates::{AssignedMailbox, EventId, MailboxId, MailboxesAssigned, OrderEvent, SubscriptionId, UserId};
use serde::Deserialize;

use super::json::{Json, Length, Rest, Sink};
use super::{Personal, PersonalMailbox, SecretMailbox, Secrets, section};
use secret::Wiped;

/// How a body was spelled: the first byte of an encoded original without its body. `2` is taken (`ledger/original.rs`),
/// as are `{` and the bytes of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Spelling {
    /// `prewarmup.order.success` as in the customer's documentation of 2025, without white space.
    Assignment = b'1',
}

/// The parts that a body is spelled from. Holds plaintext.
pub struct Parts<'a> {
    pub(crate) event_id: &'a EventId,
    pub(crate) event: &'a OrderEvent,
    /// The names of the domains as they were stored, if an earlier version stored one in Unicode.
    pub(crate) stored_names: Option<Vec<String>>,
    pub(crate) personal: Personal<'a>,
    pub(crate) secrets: Secrets<'a>,
}

/// The names of the domains in stored facts.
#[derive(Deserialize)]
struct StoredNames {
    domains: Vec<StoredName>,
}

#[derive(Deserialize)]
struct StoredName {
    domain: String,
}

impl<'a> Parts<'a> {
    /// The parts of an event, its stored facts and its opened sections. None if they have another shape.
    pub(crate) fn of_stored(
        event_id: &'a EventId,
        event: &'a OrderEvent,
        facts: &str,
        personal: Option<&'a [u8]>,
        secrets: Option<&'a [u8]>,
    ) -> Option<Self> {
        let stored_names = match facts.is_ascii() {
            true => None,
            false => {
                let names: StoredNames = serde_json::from_str(facts).ok()?;
                Some(names.domains.into_iter().map(|stored| stored.domain).collect())
            }
        };
        Some(Self {
            event_id,
            event,
            stored_names,
            personal: section(personal)?,
            secrets: section(secrets)?,
        })
    }
}

impl Spelling {
    /// The spelling of a first byte, if this version knows it.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        (byte == Self::Assignment as u8).then_some(Self::Assignment)
    }

    /// The spelling that gives exactly this body, if there is one. Copies nothing, and stops at the first different
    /// byte.
    pub(crate) fn of(parts: &Parts<'_>, body: &[u8]) -> Option<Self> {
        let mut rest = Rest(body);
        (Self::Assignment.write(parts, &mut rest) && rest.0.is_empty()).then_some(Self::Assignment)
    }

    /// The body in this spelling. None if the event is of another kind. Plaintext: wiped when dropped.
    pub(crate) fn body(self, parts: &Parts<'_>) -> Option<Wiped<Vec<u8>>> {
        // measured first: growing would leave copies of plaintext behind
        let mut length = Length(0);
        if !self.write(parts, &mut length) {
            return None;
        }
        let mut bytes = Wiped::new(Vec::with_capacity(length.0));
        self.write(parts, &mut *bytes).then_some(bytes)
    }

    fn write(self, parts: &Parts<'_>, sink: &mut dyn Sink) -> bool {
        match (self, parts.event) {
            (Self::Assignment, OrderEvent::MailboxesAssigned(facts)) => {
                let mut json = Json::into(sink);
                assignment(&mut json, parts, facts);
                json.fits()
            }
            _ => false,
        }
    }
}

fn assignment(json: &mut Json<'_>, parts: &Parts<'_>, facts: &MailboxesAssigned) {
    let mut people = parts.personal.mailboxes.iter().copied();
    let mut keys = parts.secrets.mailboxes.iter().copied();
    json.open("{");
    json.plain("\"event\":", Some("prewarmup.order.success"));
    json.plain("\"eventId\":", Some(parts.event_id.as_str()));
    json.name("\"data\":");
    json.open("{");
    json.plain("\"userId\":", facts.user_id.as_ref().map(UserId::as_str));
    json.optional("\"userEmail\":", parts.personal.user_email);
    json.plain("\"orderId\":", Some(facts.order_id.as_str()));
    let provider = facts.service_provider.as_ref();
    json.plain("\"serviceProvider\":", provider.map(|provider| provider.0.as_str()));
    json.name("\"mailboxDetails\":");
    json.open("[");
    for (index, assigned) in facts.domains.iter().enumerate() {
        json.open("{");
        let stored = parts.stored_names.as_ref().and_then(|names| names.get(index));
        json.plain(
            "\"domain\":",
            Some(stored.map_or(assigned.domain.as_str(), String::as_str)),
        );
        let subscription = assigned.subscription_id.as_ref();
        json.plain("\"subscriptionId\":", subscription.map(SubscriptionId::as_str));
        json.name("\"preWarmedUpMailboxes\":");
        json.open("[");
        for own in &assigned.mailboxes {
            let (person, key) = (people.next().unwrap_or_default(), keys.next().unwrap_or_default());
            mailbox(json, own, person, key);
        }
        json.close("]");
        json.close("}");
    }
    json.close("]");
    json.close("}");
    json.close("}");
}

fn mailbox(json: &mut Json<'_>, own: &AssignedMailbox, person: PersonalMailbox<'_>, key: SecretMailbox<'_>) {
    json.open("{");
    json.plain("\"mailboxId\":", own.mailbox_id.as_ref().map(MailboxId::as_str));
    json.optional("\"email\":", person.email);
    json.optional("\"firstName\":", person.first_name);
    json.optional("\"lastName\":", person.last_name);
    json.optional("\"profilePicture\":", person.profile_picture);
    json.optional("\"password\":", key.password);
    json.optional("\"appPassword\":", key.app_password);
    json.optional("\"authenticatorSecret\":", key.authenticator_secret);
    json.boolean("\"isAdmin\":", own.is_admin);
    json.milliseconds("\"warmingUpFrom\":", own.warming_up_from);
    json.milliseconds("\"expiryDate\":", own.expiry_date);
    json.close("}");
}

#[cfg(test)]
mod tests;
