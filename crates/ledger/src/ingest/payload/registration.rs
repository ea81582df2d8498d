//! The `domain.*` family: the registration of a domain. One shape for all.

use aggregates::{Domain, DomainFacts, OrderEvent};
use serde::Deserialize;

use super::raw::Raw;
use super::reading::Reading;
use super::text::MAX_TEXT_CHARS;
use super::{Parsed, PayloadProblem, user_email};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    user_id: Option<Raw<'a>>,
    #[serde(borrow)]
    user_email: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_id: Option<Raw<'a>>,
    #[serde(borrow)]
    domain_name: Option<Raw<'a>>,
    #[serde(borrow)]
    domain: Option<Raw<'a>>,
    #[serde(borrow)]
    order_id: Option<Raw<'a>>,
    #[serde(borrow)]
    auto_renew: Option<Raw<'a>>,
    #[serde(borrow)]
    creation_time: Option<Raw<'a>>,
    #[serde(borrow)]
    expiry_date: Option<Raw<'a>>,
    #[serde(borrow)]
    price: Option<Raw<'a>>,
    #[serde(borrow)]
    reason: Option<Raw<'a>>,
}

/// Splits the payload; `event` makes the kind of event.
pub(super) fn read(
    data: Data<'_>,
    reading: &mut Reading,
    event: fn(DomainFacts) -> OrderEvent,
) -> Result<Parsed, PayloadProblem> {
    let facts = DomainFacts {
        auto_renew: reading.boolean(data.auto_renew, "data.autoRenew"),
        creation_time: reading.moment(data.creation_time, "data.creationTime"),
        domain: required_name(data.domain_name, data.domain)?,
        domain_id: reading.id(data.domain_id, "data.domainId"),
        expiry_date: reading.moment(data.expiry_date, "data.expiryDate"),
        order_id: reading.id(data.order_id, "data.orderId"),
        price: reading.price(data.price, "data.price"),
        reason: reading.words(data.reason, MAX_TEXT_CHARS, "data.reason"),
        sent_at: reading.delivery.sent_at,
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    };
    Ok(Parsed {
        personal: user_email(reading.text(data.user_email, "data.userEmail")),
        ..Parsed::of(event(facts))
    })
}

/// The domain, under the name that this family gives it, or under the one that others do.
pub(super) fn required_name(domain_name: Option<Raw<'_>>, domain: Option<Raw<'_>>) -> Result<Domain, PayloadProblem> {
    let named = Reading::required(domain_name, "data.domainName", Domain::normalise);
    match domain {
        Some(_) if named.is_err() => Reading::required(domain, "data.domain", Domain::normalise),
        _ => named,
    }
}
