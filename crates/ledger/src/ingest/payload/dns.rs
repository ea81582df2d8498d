//! `dns-record.updated`: a DNS record of a domain changed.

use aggregates::{DnsRecordUpdated, OrderEvent};
use serde::Deserialize;

use super::raw::Raw;
use super::reading::Reading;
use super::registration::required_name;
use super::{MAX_WORD_CHARS, Parsed, PayloadProblem, user_email};

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
    action: Option<Raw<'a>>,
    #[serde(borrow)]
    record: Option<Raw<'a>>,
}

/// The record's type. Its host and value may name a person or a forwarding address.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record<'a> {
    #[serde(borrow)]
    record_type: Option<Raw<'a>>,
}

/// Splits the payload.
pub(super) fn read(data: Data<'_>, reading: &mut Reading) -> Result<Parsed, PayloadProblem> {
    let record: Option<Record<'_>> = data.record.and_then(|record| {
        let fields = reading.object(record, "data.record").ok();
        fields.or_else(|| reading.left_out("data.record"))
    });
    let record = record.unwrap_or_default();
    let claim = OrderEvent::DnsRecordUpdated(DnsRecordUpdated {
        action: reading.words(data.action, MAX_WORD_CHARS, "data.action"),
        domain: required_name(data.domain_name, data.domain)?,
        domain_id: reading.id(data.domain_id, "data.domainId"),
        order_id: reading.id(data.order_id, "data.orderId"),
        record_type: reading.words(record.record_type, MAX_WORD_CHARS, "data.record.recordType"),
        sent_at: reading.delivery.sent_at,
        unreadable: Vec::new(),
        unsigned: reading.delivery.unsigned,
        user_id: reading.id(data.user_id, "data.userId"),
    });
    Ok(Parsed {
        personal: user_email(reading.text(data.user_email, "data.userEmail")),
        ..Parsed::of(claim)
    })
}
