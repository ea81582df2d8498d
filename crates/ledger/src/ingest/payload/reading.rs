//! How a payload is read: each value is taken for what it plainly means. What cannot be read is left out and its path
//! is noted; what its event cannot stand without is an error.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::str::FromStr;

use aggregates::{Domain, Price, QuarantinedPart};
use jiff::Timestamp;
use serde::de::value::MapDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::object::Object;
use super::raw::{Raw, Scalar};
use super::{Delivery, PayloadProblem, text, value};
use crate::sections::Text;
use aggregates::visible::is_blank;

/// The most paths of unreadable fields that an event names.
const MAX_UNREADABLE: usize = 100;
/// The most quarantined parts that an event names.
const MAX_PARTS_NAMED: usize = 100;

/// The reading of one webhook.
pub(super) struct Reading {
    pub(super) delivery: Delivery,
    unreadable: Vec<String>,
    quarantined: Vec<QuarantinedPart>,
}

impl Reading {
    pub(super) fn of(delivery: Delivery) -> Self {
        Self {
            delivery,
            unreadable: Vec::new(),
            quarantined: Vec::new(),
        }
    }

    /// The paths of what could not be read so far; at most [`MAX_UNREADABLE`], the last one `…` if there are more.
    pub(super) fn take_unreadable(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreadable)
    }

    /// The parts that could not be used so far.
    pub(super) fn take_quarantined(&mut self) -> Vec<QuarantinedPart> {
        std::mem::take(&mut self.quarantined)
    }

    /// Whether a part was set aside.
    pub(super) fn has_quarantined(&self) -> bool {
        !self.quarantined.is_empty()
    }

    /// Notes the path of a field that could not be read.
    pub(super) fn left_out<T>(&mut self, path: impl Display) -> Option<T> {
        match self.unreadable.len() {
            known if known < MAX_UNREADABLE - 1 => self.unreadable.push(path.to_string()),
            known if known < MAX_UNREADABLE => self.unreadable.push("…".to_owned()),
            _ => {}
        }
        None
    }

    /// Sets a part aside.
    pub(super) fn quarantine(&mut self, path: impl Display, detail: impl Display) {
        if self.quarantined.len() < MAX_PARTS_NAMED {
            self.quarantined.push(QuarantinedPart {
                detail: detail.to_string(),
                path: path.to_string(),
            });
        }
    }

    /// The elements of a list; none of an absent one. An object stands for a list of it alone; anything else is set aside.
    pub(super) fn list<'a>(&mut self, field: Option<Raw<'a>>, path: impl Display) -> Vec<Raw<'a>> {
        let Some(field) = field.filter(|field| !field.is_blank()) else {
            return Vec::new();
        };
        if field.is_object() {
            return vec![field];
        }
        field.elements().unwrap_or_else(|| {
            self.quarantine(path, "is not a list");
            Vec::new()
        })
    }

    /// An object in a list. A broken one is set aside.
    pub(super) fn entry<'a, T: Deserialize<'a>>(&mut self, raw: Raw<'a>, path: impl Display) -> Option<T> {
        match self.object(raw, &path) {
            Ok(fields) => Some(fields),
            Err(what) => {
                self.quarantine(path, what);
                None
            }
        }
    }

    /// Reads `data` as the fields of one kind of event.
    pub(super) fn fields<'a, T: Deserialize<'a>>(&mut self, data: Raw<'a>) -> Result<T, PayloadProblem> {
        self.object(data, "data")
            .map_err(|what| PayloadProblem::at("data", what))
    }

    /// The fields of an object; why not, if it is none. A field that it names twice is left out.
    pub(super) fn object<'a, T: Deserialize<'a>>(
        &mut self,
        raw: Raw<'a>,
        path: impl Display,
    ) -> Result<T, &'static str> {
        // every field takes any value, so a repeated name is all that can be wrong with an object
        if let Ok(Object(fields)) = serde_json::from_str(raw.0) {
            return Ok(fields);
        }
        if !raw.is_object() {
            return Err("is not an object");
        }
        let members = Members::of(raw).ok_or("has a field whose name is no text")?;
        for name in members.repeated.iter().filter(|name| FIELDS.contains(&name.as_str())) {
            let _: Option<()> = self.left_out(format_args!("{path}.{name}"));
        }
        let once = MapDeserializer::<_, serde_json::Error>::new(members.once.into_iter());
        T::deserialize(once).map_err(|_| "cannot be read")
    }

    /// A value that `parse` knows, if it is there and not blank.
    fn value<T>(
        &mut self,
        field: Option<Raw<'_>>,
        path: impl Display,
        parse: impl FnOnce(&Scalar<'_>) -> Option<T>,
    ) -> Option<T> {
        let scalar = field?.scalar();
        match &scalar {
            Some(Scalar::Text(text)) if is_blank(text) => None,
            Some(scalar) => parse(scalar).or_else(|| self.left_out(path)),
            None => self.left_out(path),
        }
    }

    /// A text for a sealed section, blank or not.
    pub(super) fn text<'a>(&mut self, field: Option<Raw<'a>>, path: impl Display) -> Option<Text<'a>> {
        Text::of_json(field?.0).or_else(|| self.left_out(path))
    }

    /// Free text as a fact, see [`text::optional_text`].
    pub(super) fn words(&mut self, field: Option<Raw<'_>>, max: usize, path: impl Display) -> Option<String> {
        let written = self.value(field, path, |scalar| value::text(scalar).map(str::to_owned));
        text::optional_text(written, max)
    }

    /// A moment in time.
    pub(super) fn moment(&mut self, field: Option<Raw<'_>>, path: impl Display) -> Option<Timestamp> {
        self.value(field, path, value::moment)
    }

    /// True or false.
    pub(super) fn boolean(&mut self, field: Option<Raw<'_>>, path: impl Display) -> Option<bool> {
        self.value(field, path, value::boolean)
    }

    /// A whole number.
    pub(super) fn count(&mut self, field: Option<Raw<'_>>, path: impl Display) -> Option<u32> {
        self.value(field, path, value::count)
    }

    /// A price.
    pub(super) fn price(&mut self, field: Option<Raw<'_>>, path: impl Display) -> Option<Price> {
        self.value(field, path, |scalar| value::text(scalar)?.trim().parse().ok())
    }

    /// An identifier.
    pub(super) fn id<T: FromStr>(&mut self, field: Option<Raw<'_>>, path: impl Display) -> Option<T> {
        self.value(field, path, |scalar| value::text(scalar)?.parse().ok())
    }

    /// A domain's name.
    pub(super) fn domain(&mut self, field: Option<Raw<'_>>, path: impl Display) -> Option<Domain> {
        self.value(field, path, |scalar| Domain::normalise(value::text(scalar)?).ok())
    }

    /// The domain that a webhook names, under either name of that field.
    pub(super) fn name(&mut self, domain_name: Option<Raw<'_>>, domain: Option<Raw<'_>>) -> Option<Domain> {
        self.domain(domain_name, "data.domainName")
            .or_else(|| self.domain(domain, "data.domain"))
    }

    /// An identifier or a name that its event or part cannot stand without.
    pub(super) fn required<T, E: Display>(
        field: Option<Raw<'_>>,
        path: impl Display,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, PayloadProblem> {
        let Some(field) = field else {
            return Err(PayloadProblem::at(path, "is missing"));
        };
        match field.scalar().as_ref().and_then(value::text) {
            None => Err(PayloadProblem::at(path, "is not a text")),
            Some(text) if is_blank(text) => Err(PayloadProblem::at(path, "is missing")),
            Some(text) => parse(text).map_err(|error| PayloadProblem::at(path, error)),
        }
    }
}

/// The provider's names of fields that are read: another name may hold anything, so it is never told.
const FIELDS: &[&str] = &[
    "action",
    "appPassword",
    "authenticatorSecret",
    "autoRenew",
    "creationTime",
    "domain",
    "domainId",
    "domainName",
    "email",
    "expiryDate",
    "failedOrders",
    "firstName",
    "isAdmin",
    "lastName",
    "mailboxDetails",
    "mailboxId",
    "orderId",
    "password",
    "periodEnd",
    "periodStart",
    "preWarmedUpMailboxes",
    "price",
    "profilePicture",
    "quantity",
    "reason",
    "record",
    "recordType",
    "serviceProvider",
    "subscriptionId",
    "subscriptionStatus",
    "updatedFields",
    "userEmail",
    "userId",
    "warmingUpFrom",
    "workspaceType",
];

/// The members of an object that names some of them twice.
struct Members<'a> {
    /// Those that it names once.
    once: Vec<(String, &'a RawValue)>,
    /// The names of the others.
    repeated: BTreeSet<String>,
}

impl<'a> Members<'a> {
    fn of(raw: Raw<'a>) -> Option<Self> {
        let All(all) = serde_json::from_str(raw.0).ok()?;
        let mut seen = BTreeSet::new();
        let again = all.iter().filter(|(name, _)| !seen.insert(name.as_str()));
        let repeated: BTreeSet<String> = again.map(|(name, _)| name.clone()).collect();
        let once = all.into_iter().filter(|(name, _)| !repeated.contains(name));
        Some(Self {
            once: once.collect(),
            repeated,
        })
    }
}

/// All members of an object, in their order.
struct All<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for All<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EachMember;
        impl<'de> Visitor<'de> for EachMember {
            type Value = All<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<All<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(All(all))
            }
        }
        deserializer.deserialize_map(EachMember)
    }
}
