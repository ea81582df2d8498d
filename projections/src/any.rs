//! A type-erased projection, as the runner stores and folds it: views are JSON texts.

use std::marker::PhantomData;

use aggregates::Recorded;

use crate::{Column, Keys, Origin, Projection, Row, Verdict, document};

/// A [`Projection`] with its view type erased, to handle all projections alike. See [`crate::all`].
pub trait AnyProjection: Send + Sync {
    /// Its name, also of its table, its URL and its file.
    fn name(&self) -> &'static str;

    /// Its version; each version has a table of its own.
    fn version(&self) -> u32;

    /// Its typed SQL columns.
    fn columns(&self) -> &'static [Column];

    /// The keys of the rows that the event touches.
    fn keys(&self, event: &Recorded) -> Keys;

    /// The origin of a row's events; none if the text is not a key of this projection.
    fn origin(&self, key: &str) -> Option<Origin>;

    /// Opens a row in memory from its stored view; `None` if there is no row yet.
    ///
    /// # Errors
    /// [`FoldError`] if the stored view cannot be read: then the row is unknown and must not be overwritten.
    fn open(&self, key: &str, document: Option<&str>) -> Result<Box<dyn OpenRow>, FoldError>;

    /// Folds events, all of which touch the key, into its stored view; `None` if there is no row yet.
    ///
    /// # Errors
    /// As [`AnyProjection::open`] and [`OpenRow::close`].
    fn fold(&self, key: &str, document: Option<&str>, events: &[&Recorded]) -> Result<Folded, FoldError> {
        let mut row = self.open(key, document)?;
        events.iter().for_each(|event| row.apply(key, event));
        row.close(key)
    }

    /// Folds events, all of which touch the key, one by one from the beginning. `seen` gets the row as readers see it
    /// before the event with the index `first`, and then after that one and each later one; `None` if there is no row.
    /// One at a time, since a row may be large and its events many.
    /// row. One at a time, since a row may be large and its events many.
    ///
    /// # Errors
    /// [`FoldError`] if a view cannot be written as JSON.
    fn steps(
        &self,
        key: &str,
        events: &[&Recorded],
        first: usize,
        seen: &mut dyn FnMut(Option<serde_json::Value>),
    ) -> Result<(), FoldError>;
}

/// A row in memory that events are folded into.
pub trait OpenRow: Send {
    /// Folds an event that touches its key. If that panics, the row's state is undefined.
    fn apply(&mut self, key: &str, event: &Recorded);

    /// The row to be stored.
    ///
    /// # Errors
    /// [`FoldError`] if the view cannot be written as JSON.
    fn close(&self, key: &str) -> Result<Folded, FoldError>;
}

/// The result of a fold.
#[derive(Clone, Debug, PartialEq)]
pub enum Folded {
    /// The row has to be written.
    Keep {
        /// The view as JSON.
        document: String,
        /// The values of its columns.
        row: Row,
    },
    /// The row has to be removed.
    Remove,
}

/// Why a fold failed.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// Another version of the projection wrote the stored view.
    #[error("the stored view of {projection} {key:?} cannot be read: {source}")]
    Unreadable {
        /// The projection.
        projection: &'static str,
        /// The row.
        key: String,
        /// The JSON error, with its place.
        source: serde_json::Error,
    },
    /// The view cannot be written as JSON.
    #[error("the view of {projection} {key:?} cannot be written: {source}")]
    Unwritable {
        /// The projection.
        projection: &'static str,
        /// The row.
        key: String,
        /// The JSON error.
        source: serde_json::Error,
    },
}

/// The projection `P` with its view type erased.
pub(crate) struct TypeErased<P>(PhantomData<fn() -> P>);

impl<P> TypeErased<P> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Projection> AnyProjection for TypeErased<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> u32 {
        P::VERSION
    }

    fn columns(&self) -> &'static [Column] {
        P::COLUMNS
    }

    fn keys(&self, event: &Recorded) -> Keys {
        P::keys(event)
    }

    fn origin(&self, key: &str) -> Option<Origin> {
        P::origin(key)
    }

    fn open(&self, key: &str, document: Option<&str>) -> Result<Box<dyn OpenRow>, FoldError> {
        let view = document.map(document::read).transpose();
        let view = view.map_err(|source| FoldError::Unreadable {
            projection: P::NAME,
            key: key.to_owned(),
            source,
        })?;
        Ok(Box::new(Open::<P>(view)))
    }

    fn steps(
        &self,
        key: &str,
        events: &[&Recorded],
        first: usize,
        seen: &mut dyn FnMut(Option<serde_json::Value>),
    ) -> Result<(), FoldError> {
        let (before, later) = events.split_at(first.min(events.len()));
        let item = |view: &Option<P::View>| {
            let item = view.as_ref().map(|view| P::item(view, key));
            item.transpose().map_err(|source| unwritable::<P>(key, source))
        };
        let mut view = before.iter().fold(None, |view, event| apply::<P>(view, key, event));
        seen(item(&view)?);
        for event in later {
            view = apply::<P>(view, key, event);
            seen(item(&view)?);
        }
        Ok(())
    }
}

/// A row of the projection `P`, if there is one.
struct Open<P: Projection>(Option<P::View>);

impl<P: Projection> OpenRow for Open<P> {
    fn apply(&mut self, key: &str, event: &Recorded) {
        self.0 = apply::<P>(self.0.take(), key, event);
    }

    fn close(&self, key: &str) -> Result<Folded, FoldError> {
        let Some(view) = &self.0 else {
            return Ok(Folded::Remove);
        };
        let document = document::write(view).map_err(|source| unwritable::<P>(key, source))?;
        let row = P::columns(view, key);
        Ok(Folded::Keep { document, row })
    }
}

fn apply<P: Projection>(view: Option<P::View>, key: &str, event: &Recorded) -> Option<P::View> {
    let mut view = view.unwrap_or_default();
    match P::apply(&mut view, key, event) {
        Verdict::Keep => Some(view),
        Verdict::Remove => None,
    }
}

fn unwritable<P: Projection>(key: &str, source: serde_json::Error) -> FoldError {
    FoldError::Unwritable {
        projection: P::NAME,
        key: key.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use aggregates::{OrderEvent, Position, SubscriptionId};

    use super::*;
    use crate::testing::{assigned, subscription};
    use crate::{Kind, Value};

    /// Counts the events of a subscription; a cancelled one has no row.
    struct Counts;

    impl Projection for Counts {
        const NAME: &'static str = "counts";
        const VERSION: u32 = 1;
        const COLUMNS: &'static [Column] = &[Column::new("count", Kind::Integer)];
        type View = u32;

        fn keys(event: &Recorded) -> Keys {
            let facts = event.order().and_then(OrderEvent::as_subscription);
            facts.map_or(Keys::none(), |facts| Keys::one(facts.subscription_id.as_str()))
        }

        fn origin(key: &str) -> Option<Origin> {
            SubscriptionId::parse(key).ok().map(Origin::Subscription)
        }

        fn apply(view: &mut u32, _: &str, event: &Recorded) -> Verdict {
            *view += 1;
            match event.order() {
                Some(OrderEvent::SubscriptionCancelled(_)) => Verdict::Remove,
                _ => Verdict::Keep,
            }
        }

        fn columns(view: &u32, _: &str) -> Row {
            vec![Value::from(*view)]
        }
    }

    const COUNTS: &dyn AnyProjection = &TypeErased::<Counts>::new();

    fn keep(count: u32) -> Folded {
        Folded::Keep {
            document: count.to_string(),
            row: vec![Value::from(count)],
        }
    }

    fn renewed(position: u64) -> Recorded {
        subscription(&format!("E{position}"), OrderEvent::SubscriptionRenewed, "S1").at(Position(position))
    }

    fn cancelled(position: u64) -> Recorded {
        subscription(&format!("E{position}"), OrderEvent::SubscriptionCancelled, "S1").at(Position(position))
    }

    #[test]
    fn a_fold_goes_on_from_the_stored_view() {
        assert_eq!(COUNTS.fold("S1", None, &[&renewed(1)]).unwrap(), keep(1));
        assert_eq!(
            COUNTS.fold("S1", Some("1"), &[&renewed(2), &renewed(3)]).unwrap(),
            keep(3)
        );
    }

    #[test]
    fn an_open_row_is_what_a_fold_makes_of_the_same_events() {
        let (first, gone, again) = (renewed(1), cancelled(2), renewed(3));
        let mut row = COUNTS.open("S1", Some("1")).unwrap();
        for (event, folded) in [(&first, keep(2)), (&gone, Folded::Remove), (&again, keep(1))] {
            row.apply("S1", event);
            assert_eq!(row.close("S1").unwrap(), folded);
        }
    }

    #[test]
    fn a_removed_row_begins_anew() {
        let (first, gone, again) = (renewed(1), cancelled(2), renewed(3));
        assert_eq!(COUNTS.fold("S1", None, &[&first, &gone]).unwrap(), Folded::Remove);
        assert_eq!(COUNTS.fold("S1", None, &[&first, &gone, &again]).unwrap(), keep(1));
    }

    #[test]
    fn steps_tell_the_row_before_and_after_each_event_from_the_first_one_asked_for() {
        let (first, gone, again) = (renewed(1), cancelled(2), renewed(3));
        let row = |count: u32| Some(serde_json::json!({"count": count}));
        let seen = |from: usize| {
            let mut seen = Vec::new();
            let events = [&first, &first, &gone, &again];
            COUNTS.steps("S1", &events, from, &mut |row| seen.push(row)).unwrap();
            seen
        };
        assert_eq!(seen(0), [None, row(1), row(2), None, row(1)]);
        assert_eq!(seen(2), [row(2), None, row(1)]);
        assert_eq!(seen(4), [row(1)]);
    }

    #[test]
    fn no_events_leave_a_row_as_it_is() {
        assert_eq!(COUNTS.fold("S1", None, &[]).unwrap(), Folded::Remove);
        assert_eq!(COUNTS.fold("S1", Some("2"), &[]).unwrap(), keep(2));
    }

    #[test]
    fn a_stored_view_that_cannot_be_read_is_an_error_that_names_its_row() {
        let error = COUNTS.fold("S1", Some("{}"), &[&renewed(1)]).unwrap_err();
        assert!(matches!(error, FoldError::Unreadable { .. }));
        assert!(error.to_string().contains("counts \"S1\""), "{error}");
    }

    #[test]
    fn an_event_of_another_kind_touches_no_row() {
        assert_eq!(COUNTS.keys(&assigned("E1", "O1").at(Position(1))), Keys::none());
    }
}
