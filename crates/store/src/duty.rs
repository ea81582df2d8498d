//! Duties: the work that one process does for all.

/// The work that one process of several does for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Folding the live projections.
    Projections,
    /// Publishing the feed to NATS.
    Relay,
    /// Wrapping the data keys with a new master key.
    KeyRotation,
    /// Signing checkpoints.
    Checkpoints,
}

impl Duty {
    /// Its name in the table of leases and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Projections => "projections",
            Self::Relay => "relay",
            Self::KeyRotation => "key-rotation",
            Self::Checkpoints => "checkpoints",
        }
    }
}
