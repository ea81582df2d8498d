use aggregates::{AssignedDomain, Domain, OrderId, PersonalField};
use proptest::prelude::*;

use super::*;

const BODY: &str = r#"{"event":"prewarmup.order.success","eventId":"E1","data":{"userId":"U1","userEmail":"a@b.example","orderId":"O1","serviceProvider":"GOOGLE","mailboxDetails":[{"domain":"a.example","subscriptionId":"S1","preWarmedUpMailboxes":[{"mailboxId":"M1","email":"x@a.example","firstName":"X","lastName":"Y\"","profilePicture":"https://p.example/x.png","password":"p","appPassword":"q","authenticatorSecret":"s","isAdmin":true,"warmingUpFrom":"2025-09-26T08:53:51.641Z","expiryDate":"2025-11-27T19:59:17.290Z"},{"mailboxId":"M2","password":"only"}]},{"domain":"b.example","preWarmedUpMailboxes":[]}]}}"#;
const PERSONAL: &str = r#"{"mailboxes":[{"email":"x@a.example","firstName":"X","lastName":"Y\"","profilePicture":"https://p.example/x.png"},{}],"userEmail":"a@b.example"}"#;
const SECRETS: &str = r#"{"mailboxes":[["q","s","p"],[null,null,"only"]]}"#;
const FACTS: &str = r#"{"domains":[{"domain":"a.example","mailboxes":[{"expiryDate":"2025-11-27T19:59:17.29Z","isAdmin":true,"mailboxId":"M1","warmingUpFrom":"2025-09-26T08:53:51.641Z"},{"credentials":["password"],"mailboxId":"M2"}],"subscriptionId":"S1"},{"domain":"b.example","mailboxes":[]}],"orderId":"O1","serviceProvider":"GOOGLE","userId":"U1"}"#;

fn event() -> OrderEvent {
    OrderEvent::from_stored("MailboxesAssigned", 2, FACTS).unwrap()
}

fn with<T>(personal: Option<&str>, secrets: Option<&str>, test: impl FnOnce(Option<&Parts<'_>>) -> T) -> T {
    let (id, event) = (EventId::parse("E1").unwrap(), event());
    let parts = Parts::of_stored(
        &id,
        &event,
        FACTS,
        personal.map(str::as_bytes),
        secrets.map(str::as_bytes),
    );
    test(parts.as_ref())
}

fn spelled(personal: Option<&str>, secrets: Option<&str>) -> Option<String> {
    with(personal, secrets, |parts| Spelling::Assignment.body(parts?))
        .map(|body| String::from_utf8(body.to_vec()).unwrap())
}

/// Events rely on this spelling, so it must never change.
#[test]
fn an_assignment_is_spelled_as_the_provider_spells_it() {
    assert_eq!(spelled(Some(PERSONAL), Some(SECRETS)).as_deref(), Some(BODY));
    with(Some(PERSONAL), Some(SECRETS), |parts| {
        assert_eq!(
            Spelling::of(parts.unwrap(), BODY.as_bytes()),
            Some(Spelling::Assignment)
        );
    });
}

#[test]
fn a_domain_that_was_stored_in_unicode_is_spelled_as_it_was() {
    let facts = FACTS.replace("a.example", "münchen.example");
    let event = OrderEvent::from_stored("MailboxesAssigned", 2, &facts).unwrap();
    let OrderEvent::MailboxesAssigned(assigned) = &event else {
        panic!("another event")
    };
    assert_eq!(assigned.domains[0].domain.as_str(), "xn--mnchen-3ya.example");
    let id = EventId::parse("E1").unwrap();
    let (personal, secrets) = (Some(PERSONAL.as_bytes()), Some(SECRETS.as_bytes()));
    let parts = Parts::of_stored(&id, &event, &facts, personal, secrets).unwrap();
    let body = String::from_utf8(Spelling::Assignment.body(&parts).unwrap().to_vec()).unwrap();
    assert_eq!(
        body,
        BODY.replace(r#""domain":"a.example""#, r#""domain":"münchen.example""#)
    );
}

#[test]
fn secrets_of_earlier_ledgers_with_names_read_the_same() {
    let named = r#"{"mailboxes":[{"appPassword":"q","authenticatorSecret":"s","password":"p"},{"password":"only"}]}"#;
    assert_eq!(spelled(Some(PERSONAL), Some(named)).as_deref(), Some(BODY));
}

#[test]
fn a_body_that_differs_anywhere_is_not_taken_for_spelled() {
    with(Some(PERSONAL), Some(SECRETS), |parts| {
        let spelled = |body: &[u8]| Spelling::of(parts.unwrap(), body).is_some();
        for end in 0..BODY.len() {
            assert!(!spelled(&BODY.as_bytes()[..end]), "{end}");
        }
        for (at, byte) in BODY.bytes().enumerate() {
            let mut other = BODY.as_bytes().to_vec();
            other[at] = byte ^ 1;
            assert!(!spelled(&other), "{at}");
        }
        assert!(!spelled(format!("{BODY}\n").as_bytes()));
    });
}

#[test]
fn sections_of_another_shape_are_not_spelled() {
    assert_eq!(spelled(Some("7"), Some(SECRETS)), None);
    assert_eq!(spelled(Some(PERSONAL), Some("{")), None);
}

#[test]
fn only_an_assignment_has_a_spelling() {
    let failed = OrderEvent::from_stored("AssignmentFailed", 2, r#"{"failures":[],"orderId":"O1"}"#).unwrap();
    let id = EventId::parse("E1").unwrap();
    let parts = Parts::of_stored(&id, &failed, "{}", None, None).unwrap();
    assert!(Spelling::Assignment.body(&parts).is_none());
}

#[test]
fn an_id_that_would_need_escapes_is_not_spelled() {
    let event = event();
    let id = EventId::parse(r#"E"1"#).unwrap();
    let parts = Parts::of_stored(&id, &event, "{}", Some(PERSONAL.as_bytes()), Some(SECRETS.as_bytes())).unwrap();
    assert!(Spelling::Assignment.body(&parts).is_none());
}

proptest! {
    /// For any sections: a body accepted as spelled is spelled the same again.
    #[test]
    fn what_is_taken_for_spelled_comes_back_byte_for_byte(
        email in proptest::option::of(".{0,20}"), password in proptest::option::of(".{0,20}"), domain in "[a-z]{1,20}\\.com",
    ) {
        let event = OrderEvent::MailboxesAssigned(MailboxesAssigned {
            may_be_blank: false,
            domains: vec![AssignedDomain {
                domain: Domain::normalise(&domain).unwrap(),
                mailboxes: vec![AssignedMailbox {
                    personal: PersonalField::all(),
                    credentials: Vec::new(),
                    expiry_date: None,
                    is_admin: None,
                    mailbox_id: None,
                    warming_up_from: None,
                }],
                subscription_id: None,
            }]
            .into(),
            order_id: OrderId::parse("O1").unwrap(),
            quarantined_parts: Vec::new(),
            sent_at: None,
            service_provider: None,
            unreadable: Vec::new(),
            unsigned: false,
            user_id: None,
        });
        let personal = serde_json::json!({"mailboxes": [{"email": email}]}).to_string();
        let secrets = serde_json::json!({"mailboxes": [[null, null, password]]}).to_string();
        let id = EventId::parse("E1").unwrap();
        let parts = Parts::of_stored(&id, &event, "{}", Some(personal.as_bytes()), Some(secrets.as_bytes())).unwrap();
        let body = Spelling::Assignment.body(&parts).unwrap();
        prop_assert_eq!(Spelling::of(&parts, &body), Some(Spelling::Assignment));
        let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let mailbox = &read["data"]["mailboxDetails"][0]["preWarmedUpMailboxes"][0];
        prop_assert_eq!(mailbox["email"].as_str(), email.as_deref());
        prop_assert_eq!(mailbox["password"].as_str(), password.as_deref());
    }
}
