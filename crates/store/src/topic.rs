//! A [`Store`] is the sum of topics: traits that are declared beside the types they are about.

use super::Store;

/// A store that stands in front of another one: every topic but the log, which it has to be itself, goes there.
pub trait Wraps: Send + Sync + 'static {
    /// The store behind it.
    fn wrapped(&self) -> &dyn Store;
}

/// Declares a topic, which may build on another one, and has whatever [`Wraps`] a store forward it.
macro_rules! topic {
    ($(#[$about:meta])* pub trait $Topic:ident $(: $Other:ident)? {
        $($(#[$does:meta])* async fn $method:ident(&self $(, $argument:ident: $of:ty)* $(,)?) $(-> $answer:ty)?;)*
    }) => {
        $(#[$about])*
        #[async_trait::async_trait]
        pub trait $Topic: $($Other +)? Send + Sync + 'static {
            $($(#[$does])* async fn $method(&self $(, $argument: $of)*) $(-> $answer)?;)*
        }

        #[async_trait::async_trait]
        impl<S: crate::Wraps> $Topic for S {
            $(async fn $method(&self $(, $argument: $of)*) $(-> $answer)? {
                self.wrapped().$method($($argument),*).await
            })*
        }
    };
}
