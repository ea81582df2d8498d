//! The list of all projections. A new one needs its own file and one line here.

use crate::access::Access;
use crate::accounts::Accounts;
use crate::any::{AnyProjection, TypeErased};
use crate::{
    SqlView, customers::Customers, domains::Domains, failures::Failures, mailboxes::Mailboxes,
    monthly_mailboxes::MonthlyMailboxes, order_domains::ORDER_DOMAINS, orders::Orders, renewals::Renewals,
};

static ALL: &[&dyn AnyProjection] = &[
    &TypeErased::<Orders>::new(),
    &TypeErased::<Mailboxes>::new(),
    &TypeErased::<Accounts>::new(),
    &TypeErased::<Renewals>::new(),
    &TypeErased::<Customers>::new(),
    &TypeErased::<Domains>::new(),
    &TypeErased::<Failures>::new(),
    &TypeErased::<MonthlyMailboxes>::new(),
    &TypeErased::<Access>::new(),
];

/// All projections, in the order of listings.
pub fn all() -> &'static [&'static dyn AnyProjection] {
    ALL
}

static VIEWS: &[SqlView] = &[ORDER_DOMAINS];

/// The SQL views over the rows of a projection, besides the one with its own name.
pub fn views_of(projection: &str) -> impl Iterator<Item = &'static SqlView> {
    VIEWS.iter().filter(move |view| view.of == projection)
}

/// The projection with this name.
pub fn by_name(name: &str) -> Option<&'static dyn AnyProjection> {
    ALL.iter().copied().find(|projection| projection.name() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_snake_case(name: &str) -> bool {
        name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    }

    #[test]
    fn projections_are_found_by_their_names() {
        let names: BTreeSet<_> = all().iter().map(|projection| projection.name()).collect();
        assert_eq!(names.len(), all().len(), "two projections have one name");
        for name in names {
            assert_eq!(by_name(name).map(|projection| projection.name()), Some(name));
        }
        assert!(by_name("nonsense").is_none());
    }

    #[test]
    fn names_of_tables_and_columns_are_plain_and_unique() {
        for projection in all() {
            assert!(is_snake_case(projection.name()));
            let columns: BTreeSet<_> = projection.columns().iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), projection.columns().len(), "{}", projection.name());
            assert!(columns.iter().all(|name| is_snake_case(name)), "{}", projection.name());
            // columns that a store adds to every table, and parameters of paging over HTTP
            for taken in ["key", "document", "limit", "after"] {
                assert!(!columns.contains(taken), "{} has a column {taken}", projection.name());
            }
        }
    }

    #[test]
    fn a_view_written_by_something_else_is_never_taken_for_an_empty_one() {
        for projection in all() {
            for document in ["{}", "[]", "", r#"{"surprise":1}"#] {
                let folded = projection.fold("key", Some(document), &[]);
                assert!(folded.is_err(), "{} reads {document:?}", projection.name());
            }
        }
    }
}
