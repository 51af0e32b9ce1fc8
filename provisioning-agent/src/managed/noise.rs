//! Says what does not work once, and then now and then: a service that is down for an hour is no reason for a thousand lines.

use std::time::Duration;

use tokio::time::Instant;

/// Between two lines about the same trouble.
const QUIET: Duration = Duration::from_secs(600);
/// Between two lines about changing troubles.
const PAUSE: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// What is said of a failed try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// That it does not work.
    First,
    /// That it still does not: for so long, after so many tries.
    Again(Duration, u32),
    /// Nothing.
    Nothing,
}

/// How long something has not worked, what was said of it, and how long to wait before the next try.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    since: Option<Instant>,
    told: Option<(Instant, String)>,
    tries: u32,
}

impl Trouble {
    /// A try failed with this; what to say.
    pub(crate) fn failed(&mut self, text: &str) -> Said {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.tries = self.tries.saturating_add(1);
        let said = match &self.told {
            None => Said::First,
            Some((at, before)) => {
                let wait = if before == text { QUIET } else { PAUSE };
                match now.duration_since(*at) >= wait {
                    true => Said::Again(now.duration_since(since), self.tries),
                    false => Said::Nothing,
                }
            }
        };
        if said != Said::Nothing {
            self.told = Some((now, text.to_owned()));
        }
        said
    }

    /// It works; how long it did not, where anything was said of it.
    pub(crate) fn works(&mut self) -> Option<Duration> {
        let gone = std::mem::take(self);
        gone.told.and(gone.since).map(|since| since.elapsed())
    }

    /// How long to wait before the next try: by chance between a second and a bound that doubles up to a minute, so that not
    /// all agents come at once when their service is back.
    pub(crate) fn wait(&self) -> Duration {
        let bound =
            SHORTEST.saturating_mul(2u32.saturating_pow(self.tries.clamp(1, 6))).min(LONGEST);
        SHORTEST + (bound - SHORTEST).mul_f64(rand::random::<f64>())
    }
}

/// A length of time for people: the two largest units.
pub(crate) fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_without_the_service_is_a_few_lines() {
        let mut trouble = Trouble::default();
        let mut lines = 0;
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(3600) {
            lines += usize::from(trouble.failed("no connection") != Said::Nothing);
            let wait = trouble.wait();
            assert!((SHORTEST..=LONGEST).contains(&wait), "{wait:?}");
            tokio::time::advance(wait).await;
        }
        assert!((5..=7).contains(&lines), "{lines}");
        assert!(trouble.works().is_some_and(|gone| gone >= Duration::from_secs(3600)));
        assert_eq!(trouble.works(), None, "said once");
        assert_eq!(trouble.failed("no connection"), Said::First);
    }

    #[tokio::test(start_paused = true)]
    async fn another_trouble_is_told_sooner() {
        let mut trouble = Trouble::default();
        assert_eq!(trouble.failed("no connection"), Said::First);
        assert_eq!(trouble.failed("503"), Said::Nothing);
        tokio::time::advance(PAUSE).await;
        assert_eq!(trouble.failed("503"), Said::Again(PAUSE, 3));
    }

    #[test]
    fn lengths_of_time() {
        let all = [(5, "5 s"), (65, "1 min 5 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, text) in all {
            assert_eq!(spoken(Duration::from_secs(seconds)), text);
        }
    }
}
