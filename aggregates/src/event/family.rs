//! The code common to every family of events: stored names, schema versions, reading and writing of facts.

/// Defines the enum of a family: `Variant(Facts) = schema version`. The variant's name is the stored type string.
macro_rules! event_family {
    ($(#[$family_doc:meta])* $family:ident {
        $($(#[$doc:meta])* $variant:ident($facts:ty) = $version:literal),* $(,)?
    }) => {
        $(#[$family_doc])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $family {
            $($(#[$doc])* $variant($facts),)*
        }

        impl $family {
            /// Every stored type string with the schema version that this version writes.
            pub const EVENT_TYPES: &'static [(&'static str, u32)] = &[$((stringify!($variant), $version)),*];

            /// The stored type string.
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant)),* }
            }

            /// The schema version that this version writes.
            pub fn schema_version(&self) -> u32 {
                match self { $(Self::$variant(_) => $version),* }
            }

            /// The facts as canonical JSON (RFC 8785), the stored form that the Merkle leaf covers.
            ///
            /// # Errors
            /// None in practice: every field serialises. The serialiser's error is passed on all the same.
            pub fn to_facts(&self) -> Result<String, $crate::EventError> {
                let mut json = Vec::with_capacity($crate::event::USUAL_FACTS);
                match self { $(Self::$variant(facts) => ::serde_json::to_writer(&mut json, facts)),* }?;
                // serde_json writes UTF-8
                Ok(String::from_utf8(json).expect("UTF-8"))
            }

            fn of_current_schema(type_name: &str, facts: &str) -> Result<Self, $crate::EventError> {
                match type_name {
                    $(stringify!($variant) => Ok(Self::$variant(::serde_json::from_str(facts)?)),)*
                    _ => Err($crate::EventError::UnknownType(type_name.to_owned())),
                }
            }

            /// Reads an event as stored: facts of an older schema version are upcast first.
            ///
            /// # Errors
            /// [`EventError`](crate::EventError) for a type or schema version that this version does not know, or facts
            /// that do not fit.
            pub fn from_stored(
                type_name: &str,
                schema_version: u32,
                facts: &str,
            ) -> Result<Self, $crate::EventError> {
                let known = Self::EVENT_TYPES.iter().find(|(name, _)| *name == type_name);
                let &(_, known) = known.ok_or_else(|| $crate::EventError::UnknownType(type_name.to_owned()))?;
                match $crate::event::facts_of_today(type_name, schema_version, known, facts)? {
                    Some(upcast) => Self::of_current_schema(type_name, &upcast),
                    None => Self::of_current_schema(type_name, facts),
                }
            }
        }
    };
}

pub(super) use event_family;
