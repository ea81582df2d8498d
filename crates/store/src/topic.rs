//! A [`Store`] is the sum of topics: traits declared beside the types they use.

use super::Store;

/// A store that wraps another one: it implements the log itself and forwards every other topic.
pub trait Wraps: Send + Sync + 'static {
    /// The wrapped store.
    fn wrapped(&self) -> &dyn Store;
}

/// Declares a topic, which may build on another one, and implements it by forwarding for every store that [`Wraps`]
/// one.
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
