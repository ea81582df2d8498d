//! Why a stored event cannot be read.

/// Why a stored event cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// This version does not know the type: a newer one wrote it.
    #[error("unknown event type {0:?}: was it written by a newer version?")]
    UnknownType(String),
    /// This version does not know the schema version.
    #[error("{type_name} has schema version {found}, this version knows up to {known}")]
    UnknownSchema {
        /// The stored type string.
        type_name: String,
        /// The stored schema version.
        found: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// The facts do not have the shape of their type.
    #[error("facts do not have the shape of their type: {0}")]
    Facts(#[from] serde_json::Error),
}
