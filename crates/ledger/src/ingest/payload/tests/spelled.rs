use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::sections::Parts;

/// The body again, from the stored parts only; none if it has to be kept.
fn spelled_from_what_is_stored(body: &[u8]) -> Option<Vec<u8>> {
    let parsed = parse_signed(body);
    let spelling = parsed.spelling?;
    let facts = parsed.claim.to_facts().unwrap();
    let stored = OrderEvent::from_stored(parsed.claim.type_name(), parsed.claim.schema_version(), &facts).unwrap();
    fn opened(section: &Option<Secret<Vec<u8>>>) -> Option<&[u8]> {
        section.as_ref().map(|plain| plain.expose().as_slice())
    }
    let id = parsed.event_id.unwrap();
    let parts = Parts::of_stored(&id, &stored, &facts, opened(&parsed.personal), opened(&parsed.secrets)).unwrap();
    Some(spelling.body(&parts).unwrap().to_vec())
}

/// A member, if it is there.
fn member(name: &str, value: Option<String>) -> Option<String> {
    value.map(|value| format!("\"{name}\":{value}"))
}

fn object(members: impl IntoIterator<Item = Option<String>>) -> String {
    let members: Vec<String> = members.into_iter().flatten().collect();
    format!("{{{}}}", members.join(","))
}

/// A text as senders write it, escapes included.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        2 => Just(r#""\u00e9\/\ud83d\ude00\u0000""#.to_owned()),
        1 => Just("null".to_owned()),
    ]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![8 => "\"[A-Z0-9]{1,28}\"", 1 => "\"[^\"\\\\~]{0,4}\"", 1 => Just("null".to_owned())]
}

fn time() -> impl Strategy<Value = String> {
    let usual = (1970..=9998_u16, 1..=12_u8, 1..=28_u8, 0..=59_u8, 0..1000_u16);
    prop_oneof![
        16 => usual.prop_map(|(y, m, d, s, ms)| format!("\"{y}-{m:02}-{d:02}T08:53:{s:02}.{ms:03}Z\"")),
        1 => Just(r#""2025-11-27T19:59:60.000Z""#.to_owned()),
        1 => Just(r#""2025-11-27T19:59:17.2945Z""#.to_owned()),
        1 => Just(r#""2025-11-27T19:59:17Z""#.to_owned()),
    ]
}

fn mailbox() -> impl Strategy<Value = String> {
    let names = ["email", "firstName", "lastName", "profilePicture"];
    let secrets = ["password", "appPassword", "authenticatorSecret"];
    let flag = of(any::<bool>().prop_map(|flag| flag.to_string()));
    let texts = proptest::collection::vec(of(text()), names.len() + secrets.len());
    (of(id()), texts, flag, of(time()), of(time())).prop_map(move |(id, texts, flag, from, until)| {
        let texts = names
            .iter()
            .chain(&secrets)
            .zip(texts)
            .map(|(name, text)| member(name, text));
        let first = std::iter::once(member("mailboxId", id));
        let last = [
            member("isAdmin", flag),
            member("warmingUpFrom", from),
            member("expiryDate", until),
        ];
        object(first.chain(texts).chain(last))
    })
}

fn domain() -> impl Strategy<Value = String> {
    let mailboxes = proptest::collection::vec(mailbox(), 0..3);
    let name = prop_oneof![8 => "[a-zé]{1,3}[.]example", 1 => "[A-Z]{1,3}[.]example[.]?"];
    (name, of(id()), mailboxes).prop_map(|(name, subscription, mailboxes)| {
        object([
            member("domain", Some(format!("\"{name}\""))),
            member("subscriptionId", subscription),
            member("preWarmedUpMailboxes", Some(format!("[{}]", mailboxes.join(",")))),
        ])
    })
}

fn assignment() -> impl Strategy<Value = String> {
    let domains = proptest::collection::vec(domain(), 0..3);
    (id(), of(id()), of(text()), id(), of(text()), domains).prop_map(
        |(event, user, email, order, provider, domains)| {
            let data = object([
                member("userId", user),
                member("userEmail", email),
                member("orderId", Some(order)),
                member("serviceProvider", provider),
                member("mailboxDetails", Some(format!("[{}]", domains.join(",")))),
            ]);
            format!(r#"{{"event":"prewarmup.order.success","eventId":{event},"data":{data}}}"#)
        },
    )
}

proptest! {
    #[test]
    fn an_assignment_that_is_not_kept_comes_back_byte_for_byte_from_what_is_stored(body in assignment()) {
        if let Some(again) = spelled_from_what_is_stored(body.as_bytes()) {
            prop_assert_eq!(String::from_utf8(again).unwrap(), body);
        }
    }
}

#[test]
fn the_customers_assignment_without_white_space_is_not_kept() {
    let text = String::from_utf8(fixture("prewarmup.order.success")).unwrap();
    assert_eq!(spelled_from_what_is_stored(text.as_bytes()), None);
    // no text in it has two spaces or a line break
    let compact = text.replace('\n', "").replace("  ", "").replace("\": ", "\":");
    assert_eq!(
        spelled_from_what_is_stored(compact.as_bytes()),
        Some(compact.into_bytes())
    );
}
