//! The customers of the reseller.

use std::collections::HashSet;

use aggregates::UserId;
use rand::rngs::StdRng;

use super::invent;

/// A customer of the reseller.
pub(super) struct Customer {
    pub(super) user_id: UserId,
    pub(super) user_email: String,
}

impl Customer {
    pub(super) fn invent(rng: &mut StdRng, taken: &mut HashSet<String>) -> Self {
        let (first, last) = invent::person(rng);
        let company = invent::domain(rng, taken);
        let user_email = format!("{first}.{last}@{company}").to_lowercase();
        Self {
            user_id: invent::id(rng),
            user_email,
        }
    }

    /// The domain of the customer's own address.
    pub(super) fn company(&self) -> &str {
        self.user_email.split_once('@').map_or("", |(_, company)| company)
    }
}
