//! How fast the checkpoints move, sampled from the store: so the folding process, any other process, and a command see
//! the same rates.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use store::Generation;

/// Older samples are dropped, except for one.
const WINDOW: Duration = Duration::from_secs(10);

/// Checkpoints of the last ten seconds, by projection and generation.
#[derive(Clone, Default)]
pub(super) struct Rates(HashMap<(String, i64), VecDeque<(Instant, u64)>>);

impl Rates {
    /// Samples the checkpoint of every generation.
    pub(super) fn note(&mut self, generations: &[Generation], now: Instant) {
        let mut noted = HashMap::with_capacity(generations.len());
        for generation in generations {
            let id = (generation.name.clone(), generation.generation);
            let mut samples = self.0.remove(&id).unwrap_or_default();
            samples.push_back((now, generation.position.0));
            while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
                samples.pop_front();
            }
            noted.insert(id, samples);
        }
        self.0 = noted;
    }

    /// Events per second, from the oldest sample to the newest. None with fewer than two samples.
    pub(super) fn of(&self, generation: &Generation) -> Option<f64> {
        let samples = self.0.get(&(generation.name.clone(), generation.generation))?;
        let ((begun, from), (ended, to)) = (samples.front()?, samples.back()?);
        let seconds = ended.duration_since(*begun).as_secs_f64();
        (seconds > 0.0).then(|| to.saturating_sub(*from) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use aggregates::Position;

    use super::*;
    use store::GenerationState;
    use store::clock;

    fn at(position: u64) -> Generation {
        Generation {
            name: "orders".to_owned(),
            generation: 1,
            version: 1,
            position: Position(position),
            state: GenerationState::Live,
            by_service: false,
            updated_at: clock::now(),
        }
    }

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds() {
        let (mut rates, begun) = (Rates::default(), Instant::now());
        let second = |number| begun + Duration::from_secs(number);
        assert_eq!(rates.of(&at(0)), None);
        rates.note(&[at(0)], begun);
        assert_eq!(rates.of(&at(0)), None, "one sample tells no rate");
        rates.note(&[at(500)], second(1));
        assert_eq!(rates.of(&at(500)), Some(500.0));
        for number in 2..30 {
            rates.note(&[at(500)], second(number));
        }
        assert_eq!(rates.of(&at(500)), Some(0.0), "what is long ago counts no more");
        rates.note(&[], second(30));
        assert_eq!(rates.of(&at(500)), None, "a generation that is gone is forgotten");
    }
}
