//! How a payload is read: each value is taken for what it plainly means. What cannot be read is left out and its path
//! is noted; what its event cannot stand without is an error.

use std::fmt::Display;
use std::str::FromStr;

use aggregates::{Domain, Price, QuarantinedPart};
use jiff::Timestamp;
use serde::Deserialize;

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

    /// The elements of a list; none of an absent one.
    pub(super) fn list<'a>(&self, field: Option<Raw<'a>>, path: impl Display) -> Result<Vec<Raw<'a>>, PayloadProblem> {
        let Some(field) = field else { return Ok(Vec::new()) };
        field
            .elements()
            .ok_or_else(|| PayloadProblem::at(path, "is not a list"))
    }

    /// An object in a list. A broken one is set aside.
    pub(super) fn entry<'a, T: Deserialize<'a>>(&mut self, raw: Raw<'a>, path: impl Display) -> Option<T> {
        match object(raw) {
            Ok(fields) => Some(fields),
            Err(what) => {
                self.quarantine(path, what);
                None
            }
        }
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

/// The fields of an object; why not, if it is none.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Result<T, &'static str> {
    // every field takes any value, so nothing else can be wrong
    let object = serde_json::from_str(raw.0).map(|Object(fields)| fields);
    object.map_err(|_| {
        if raw.is_object() {
            "names a field twice"
        } else {
            "is not an object"
        }
    })
}
