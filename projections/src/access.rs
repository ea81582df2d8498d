//! The access log: one row for every [`AccessEvent`](aggregates::AccessEvent). Key: the event's id.
//!
//! "Who saw this mailbox's password?" is answered by the rows with its `mailbox_id`, the action `reveal` and the
//! outcome `granted`.

use aggregates::{
    AccessFacts, Action, ActorId, Domain, EventId, MailboxId, OrderId, Position, Recorded, Refusal, Source, SubjectId,
    TokenId,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Column, Keys, Kind, Origin, Projection, Row, Value, Verdict};

/// The projection.
pub struct Access;

/// One action that was done, or requested and refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessEntry {
    /// The position of the event.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The action; none for a refusal that does not name it.
    pub action: Option<Action>,
    /// Everything else.
    pub facts: AccessFacts,
}

impl AccessEntry {
    /// `granted` or `refused`.
    pub fn outcome(&self) -> &'static str {
        if self.facts.refusal.is_some() {
            "refused"
        } else {
            "granted"
        }
    }
}

impl Projection for Access {
    const NAME: &'static str = "access";
    const VERSION: u32 = 2;
    const COLUMNS: &'static [Column] = &[
        Column::new("position", Kind::Integer).indexed(),
        Column::new("recorded_at", Kind::Timestamp).indexed(),
        Column::new("actor", Kind::Text).indexed(),
        Column::new("actor_name", Kind::Text).nullable(),
        Column::new("action", Kind::Text).nullable().indexed(),
        Column::new("outcome", Kind::Text),
        Column::new("refusal", Kind::Text).nullable(),
        // no index: a reason can exceed the size of an index entry
        Column::new("reason", Kind::Text).nullable(),
        Column::new("mailbox_id", Kind::Text).nullable().indexed(),
        Column::new("subject", Kind::Text).nullable().indexed(),
        Column::new("domain", Kind::Text).nullable().indexed(),
        Column::new("order_id", Kind::Text).nullable().indexed(),
        Column::new("projection", Kind::Text).nullable(),
        Column::new("token_id", Kind::Text).nullable(),
        Column::new("first_position", Kind::Integer).nullable(),
        Column::new("last_position", Kind::Integer).nullable(),
        Column::new("passed", Kind::Boolean).nullable(),
        Column::new("address", Kind::Text).nullable(),
        Column::new("user_agent", Kind::Text).nullable(),
    ];
    /// `None` only before the row's one event is folded.
    type View = Option<AccessEntry>;

    fn keys(event: &Recorded) -> Keys {
        match event.access() {
            Some(_) => Keys::one(event.event_id.as_str()),
            None => Keys::none(),
        }
    }

    fn origin(key: &str) -> Option<Origin> {
        Some(Origin::Event(Source::own(), EventId::parse(key).ok()?))
    }

    fn apply(view: &mut Option<AccessEntry>, _: &str, event: &Recorded) -> Verdict {
        let Some(access) = event.access() else {
            return Verdict::Keep;
        };
        *view = Some(AccessEntry {
            position: event.position,
            recorded_at: event.recorded_at,
            action: access.action(),
            facts: access.facts().clone(),
        });
        Verdict::Keep
    }

    fn columns(view: &Option<AccessEntry>, _: &str) -> Row {
        let Some(entry) = view else {
            return vec![Value::Null; Self::COLUMNS.len()];
        };
        let facts = &entry.facts;
        let position = |position: Option<Position>| position.map(|position| Value::count(position.0)).into();
        vec![
            Value::count(entry.position.0),
            entry.recorded_at.into(),
            ActorId::as_str(&facts.actor.id).into(),
            facts.actor.name.as_ref().into(),
            entry.action.map(Action::as_str).into(),
            entry.outcome().into(),
            facts.refusal.map(Refusal::as_str).into(),
            facts.reason.as_ref().into(),
            facts.mailbox_id.as_ref().map(MailboxId::as_str).into(),
            facts.subject.as_ref().map(SubjectId::as_str).into(),
            facts.domain.as_ref().map(Domain::as_str).into(),
            facts.order_id.as_ref().map(OrderId::as_str).into(),
            facts.projection.as_ref().into(),
            facts.token_id.as_ref().map(TokenId::as_str).into(),
            position(facts.first_position),
            position(facts.last_position),
            facts.passed.into(),
            facts.address.as_ref().into(),
            facts.user_agent.as_ref().into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use aggregates::{AccessEvent, Actor};

    use super::*;
    use crate::testing::{accessed, assigned, given};

    fn about(mailbox: &str) -> AccessFacts {
        AccessFacts {
            mailbox_id: MailboxId::parse(mailbox).ok(),
            reason: Some("customer asked for a reset".to_owned()),
            ..AccessFacts::by(Actor::token(&TokenId::parse("tok_1").unwrap(), "support"))
        }
    }

    #[test]
    fn who_saw_a_mailboxs_credentials_stands_in_its_row() {
        given::<Access>([accessed("A1", AccessEvent::CredentialsRevealed(about("M1")))]).then_columns(
            "A1",
            &[
                ("position", 1_i64.into()),
                ("actor", "tok_1".into()),
                ("actor_name", "support".into()),
                ("action", "reveal".into()),
                ("outcome", "granted".into()),
                ("refusal", Value::Null),
                ("mailbox_id", "M1".into()),
                ("reason", "customer asked for a reset".into()),
            ],
        );
    }

    #[test]
    fn what_was_refused_says_what_was_asked_for_and_why_not() {
        let refused = AccessEvent::refused(Action::Reveal, Refusal::PlainHttp, about("M1"));
        given::<Access>([accessed("A1", refused)]).then_columns(
            "A1",
            &[
                ("action", "reveal".into()),
                ("outcome", "refused".into()),
                ("refusal", "plainHttp".into()),
            ],
        );
    }

    #[test]
    fn what_the_provider_reports_is_no_access() {
        given::<Access>([assigned("E1", "O1")]).then_no_rows();
    }
}
