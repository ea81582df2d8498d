//! Upcasting: old facts in new shapes. A stored event never changes; its readers do.
//!
//! A step turns the facts of one type from one schema version into the next; steps are chained up to the version that
//! this code writes.

use serde_json::Value;

use crate::error::EventError;

/// One step of the chain.
struct Step {
    type_name: &'static str,
    from: u32,
    upcast: fn(Value) -> Value,
}

const STEPS: &[Step] = &[
    Step {
        type_name: "AssignmentFailed",
        from: 1,
        upcast: assignment_failed_1_to_2,
    },
    Step {
        type_name: "MailboxesAssigned",
        from: 1,
        upcast: mailboxes_assigned_1_to_2,
    },
    Step {
        type_name: "MailboxesAssigned",
        from: 2,
        upcast: may_be_blank,
    },
    Step {
        type_name: "MailboxCreated",
        from: 1,
        upcast: may_be_blank,
    },
    Step {
        type_name: "MailboxUpdated",
        from: 1,
        upcast: may_be_blank,
    },
];

/// Version 1 used the provider's name for the list, `failedOrders`, though it lists domains.
fn assignment_failed_1_to_2(mut facts: Value) -> Value {
    if let Some(object) = facts.as_object_mut() {
        let failures = object
            .remove("failedOrders")
            .unwrap_or_else(|| Value::Array(Vec::new()));
        object.insert("failures".to_owned(), failures);
    }
    facts
}

/// Version 1 left out a mailbox's `credentials` if it had none, version 2 leaves them out if it has all.
fn mailboxes_assigned_1_to_2(mut facts: Value) -> Value {
    let domains = facts.get_mut("domains").and_then(Value::as_array_mut);
    let mailboxes = domains
        .into_iter()
        .flatten()
        .filter_map(|domain| domain.get_mut("mailboxes").and_then(Value::as_array_mut))
        .flatten();
    for mailbox in mailboxes.filter_map(Value::as_object_mut) {
        mailbox.entry("credentials").or_insert_with(|| Value::Array(Vec::new()));
    }
    facts
}

/// Older events counted a blank password, name or address as present: only the opened section shows that it is blank.
fn may_be_blank(mut facts: Value) -> Value {
    if let Some(object) = facts.as_object_mut() {
        object.insert("mayBeBlank".to_owned(), Value::Bool(true));
    }
    facts
}

/// Upcasts facts from schema version `from` to version `to`.
///
/// # Errors
/// [`EventError::UnknownSchema`] if the chain has no step for one of the versions between.
pub(crate) fn upcast(type_name: &str, from: u32, to: u32, facts: Value) -> Result<Value, EventError> {
    (from..to).try_fold(facts, |facts, version| {
        let step = STEPS
            .iter()
            .find(|step| step.type_name == type_name && step.from == version);
        let step = step.ok_or_else(|| EventError::UnknownSchema {
            type_name: type_name.to_owned(),
            found: version,
            known: to,
        })?;
        Ok((step.upcast)(facts))
    })
}

#[cfg(test)]
mod tests {
    use crate::{EventError, OrderEvent};

    #[test]
    fn a_failure_of_schema_1_reads_as_one_of_today() {
        let stored = r#"{"failedOrders":[{"domain":"a.com","reason":"Pool empty"}],"orderId":"O1","userId":"U1"}"#;
        let today = r#"{"failures":[{"domain":"a.com","reason":"Pool empty"}],"orderId":"O1","userId":"U1"}"#;
        let old = OrderEvent::from_stored("AssignmentFailed", 1, stored).unwrap();
        assert_eq!(old, OrderEvent::from_stored("AssignmentFailed", 2, today).unwrap());
        assert_eq!(old.to_facts().unwrap(), today);
    }

    #[test]
    fn a_mailbox_without_credentials_in_schema_1_has_none_today() {
        let facts = |none: &str, all: &str| {
            format!(
                r#"{{"domains":[{{"domain":"a.com","mailboxes":[{{{none}"mailboxId":"M1"}},{{{all}"mailboxId":"M2"}},{{"credentials":["password"],"mailboxId":"M3"}}]}}],"orderId":"O1"}}"#
            )
        };
        let old = facts("", r#""credentials":["appPassword","authenticatorSecret","password"],"#);
        let today = facts(r#""credentials":[],"#, "");
        let read = OrderEvent::from_stored("MailboxesAssigned", 1, &old).unwrap();
        assert_eq!(read, OrderEvent::from_stored("MailboxesAssigned", 2, &today).unwrap());
        let of_today = today.replace(r#","orderId""#, r#","mayBeBlank":true,"orderId""#);
        assert_eq!(read.to_facts().unwrap(), of_today);
    }

    #[test]
    fn what_was_recorded_before_blanks_were_left_out_may_be_blank() {
        let is_blank = |type_name, schema, facts| match OrderEvent::from_stored(type_name, schema, facts).unwrap() {
            OrderEvent::MailboxesAssigned(facts) => facts.may_be_blank,
            OrderEvent::MailboxCreated(facts) => facts.may_be_blank,
            OrderEvent::MailboxUpdated(facts) => facts.may_be_blank,
            other => panic!("{}", other.type_name()),
        };
        for (type_name, old, facts) in [
            ("MailboxesAssigned", 2, r#"{"domains":[],"orderId":"O1"}"#),
            ("MailboxCreated", 1, r#"{"mailboxId":"M1"}"#),
            ("MailboxUpdated", 1, r#"{"mailboxId":"M1"}"#),
        ] {
            assert!(is_blank(type_name, old, facts), "{type_name}");
            assert!(!is_blank(type_name, old + 1, facts), "{type_name}");
        }
    }

    #[test]
    fn every_older_schema_version_has_its_step() {
        for (type_name, current) in OrderEvent::EVENT_TYPES {
            for from in 1..*current {
                let step = super::STEPS
                    .iter()
                    .any(|step| step.type_name == *type_name && step.from == from);
                assert!(step, "{type_name} has no step from schema version {from}");
            }
        }
    }

    #[test]
    fn a_newer_schema_version_is_refused_by_name() {
        let error = OrderEvent::from_stored("AssignmentFailed", 3, "{}").unwrap_err();
        assert!(
            matches!(error, EventError::UnknownSchema { found: 3, known: 2, .. }),
            "{error}"
        );
        assert!(matches!(
            OrderEvent::from_stored("Nonsense", 1, "{}"),
            Err(EventError::UnknownType(_))
        ));
    }
}
