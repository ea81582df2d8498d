//! `warmledger simulate`

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    process::ExitCode,
};

use aggregates::Source;
use anyhow::{Context, anyhow, bail};
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use reqwest::Url;
use serde::Serialize;

use super::{interrupt, output};
use crate::settings::{Settings, SourceSettings, parse_keys};
use ledger::ingest::signature::Scheme;
use secret::Secret;
use secret::data_dir;
use simulate::{Faulty, Options, Pace, Plan, Scenario, SendError, SendOptions, Summary};
use store::clock;

/// The arguments of `warmledger simulate`. They may hold the webhook key: no `Debug`.
#[derive(Args)]
#[command(after_help = "\
Ends with a summary (sent, acknowledged, duplicates, retried, given up, p50, p99) and exits with 1 if any webhook was
given up. Signs with --key, --key-file, the setting webhook_key or the data directory's webhook.key, the first of them
that there is. Ctrl-C ends it with the summary so far.

Examples:
  warmledger simulate --url http://127.0.0.1:8080 --orders 100
  warmledger simulate --url http://127.0.0.1:8080 --orders 1000 --rate 200 --scenario mix --renewals
  warmledger simulate --url http://127.0.0.1:8080 --orders 50 --duplicates 0.2 --shuffle --seed 7 --retry-scale 0.01")]
pub struct SimulateArgs {
    /// The service's address; a URL without a path gets /webhooks/coldmailreseller
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// How many orders to play
    #[arg(long, value_name = "N", value_parser = output::number)]
    pub orders: u64,
    /// Webhooks per second [default: as fast as they are answered]
    #[arg(long, value_name = "R", value_parser = positive)]
    pub rate: Option<f64>,
    /// What becomes of the orders, as in the provider's sandbox
    #[arg(long, value_enum, default_value_t)]
    pub scenario: Scenario,
    /// Also play the lives of the subscriptions: renewals and their failures
    #[arg(long)]
    pub renewals: bool,
    /// How many times each subscription comes up for renewal, a month apart, the last time about now; what lies between is
    /// not waited for
    #[arg(long, value_name = "N", default_value = "1", requires = "renewals", value_parser = output::at_least_one::<NonZeroU32>)]
    pub months: NonZeroU32,
    /// Also play the lives of domains and mailboxes: registrations, DNS records, warm-up, exports, new passwords, and
    /// ordinary orders of mailboxes
    #[arg(long)]
    pub families: bool,
    /// The chance that a webhook has its dates and flags in another form, e.g. as numbers, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub odd: f64,
    /// At the end, send so many webhooks that cannot be used, and as many that are signed with a wrong key, of other orders
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = output::number)]
    pub faulty: u64,
    /// The chance that a webhook is delivered once more, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = chance)]
    pub duplicates: f64,
    /// Send in any order, not in the order of happening
    #[arg(long)]
    pub shuffle: bool,
    /// Seed of everything that is made up: with the same base time it sends the same webhooks [default: random, printed]
    #[arg(long, value_name = "S", value_parser = output::number)]
    pub seed: Option<u64>,
    /// What the dates in the webhooks are relative to, a time or a day: when the first renewals come up [default: now, less
    /// the months; with --seed, counted from today at 00:00 UTC]
    #[arg(long, value_name = "TIME", value_parser = output::time)]
    pub base_time: Option<Timestamp>,
    /// How many webhooks may be on their way at once
    #[arg(long, value_name = "N", default_value = "16", value_parser = output::at_least_one::<NonZeroUsize>)]
    pub concurrency: NonZeroUsize,
    /// Factor on the provider's waits before a retry (0 s, 30 s, 5 min); 0.01 makes them 0, 0.3 and 3 s
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = not_negative)]
    pub retry_scale: f64,
    /// File of the key to sign with
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub key_file: Option<PathBuf>,
    /// The key to sign with; others on this machine can see it in `ps`, so better use --key-file
    #[arg(long, value_name = "KEY", value_parser = key)]
    pub key: Option<Secret<String>>,
    /// What the signature covers: timestamp.body, timestampbody or body [default: the setting `signature`]
    #[arg(long, value_name = "SCHEME")]
    pub signature: Option<Scheme>,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// The path that is used when the URL has none.
const MAIN_PATH: &str = "/webhooks/coldmailreseller";

/// Sends the webhooks and prints the summary.
///
/// # Errors
/// If there is no key to sign with, or the URL is wrong.
pub async fn run(args: SimulateArgs, settings: Settings) -> anyhow::Result<ExitCode> {
    let url = receiver(&args.url)?;
    let own = source_of(&url, &settings);
    let mut options = SendOptions::new(url, signing_key(&args, own, &settings)?);
    options.scheme = args
        .signature
        .unwrap_or_else(|| own.map_or(settings.signature, |source| source.signature));
    options.pace = args.rate.map_or(Pace::Flood, Pace::PerSecond);
    options.concurrency = args.concurrency.get();
    options.retry_scale = args.retry_scale;
    options.progress = true;

    let (seed, base_time) = made_from(args.seed, args.base_time, args.months, clock::now());
    let plan = Plan::new(&Options {
        orders: usize::try_from(args.orders)?,
        scenario: args.scenario,
        renewals: args.renewals,
        months: args.months.get(),
        families: args.families,
        odd: args.odd,
        duplicates: args.duplicates,
        shuffle: args.shuffle,
        seed,
        base_time,
    });
    let interrupt = interrupt::token()?;
    eprintln!(
        "sending {} webhooks of {} orders to {}; --seed {seed} --base-time {base_time} sends the same again",
        plan.deliveries.len(),
        args.orders,
        options.url
    );
    let summary = simulate::run(&plan, &options, interrupt.clone()).await?;
    let faulty = match args.faulty {
        count if count > 0 && !interrupt.is_cancelled() => {
            let others = faulty_plan(usize::try_from(count)?, seed, base_time);
            Some(simulate::run_faulty(&others, &options).await?)
        }
        _ => None,
    };
    if args.json {
        output::print_json(&Report {
            seed,
            base_time,
            summary: &summary,
            faulty,
        })?;
    } else {
        eprintln!("{summary}");
        if let Some(faulty) = faulty {
            eprintln!("{}", faulty_line(&faulty));
        }
    }
    let unexpected = faulty.map_or(0, |faulty| faulty.unexpected);
    Ok(match summary.given_up + unexpected {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(super::CHECK_FAILED),
    })
}

/// The output of `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'s> {
    seed: u64,
    base_time: Timestamp,
    #[serde(flatten)]
    summary: &'s Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    faulty: Option<Faulty>,
}

/// Orders for faulty webhooks: others than those of a plan with the same seed.
pub(super) fn faulty_plan(count: usize, seed: u64, base_time: Timestamp) -> Plan {
    Plan::new(&Options {
        seed: seed.wrapping_add(0x9e37_79b9_7f4a_7c15),
        scenario: Scenario::Success,
        ..Options::new(count, base_time)
    })
}

/// What became of faulty webhooks, in a line like those of the summary.
pub(super) fn faulty_line(faulty: &Faulty) -> String {
    let Faulty {
        quarantined,
        refused,
        unexpected,
    } = faulty;
    let others = match unexpected {
        0 => String::new(),
        others => format!(", {others} answered otherwise"),
    };
    format!(
        "{:<14}{quarantined:>10}   quarantined, {refused} refused{others}",
        "faulty"
    )
}

/// Seed and base time. The dates in the webhooks are relative to the base time, so with a seed it is the start of the
/// day: then the same command sends the same webhooks all day. Several months end now.
fn made_from(seed: Option<u64>, base_time: Option<Timestamp>, months: NonZeroU32, now: Timestamp) -> (u64, Timestamp) {
    let usual = match seed {
        Some(_) => Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(86_400)).unwrap_or(now),
        None => Timestamp::from_second(now.as_second()).unwrap_or(now),
    };
    let before = i64::from(months.get()) - 1;
    let begun = usual.to_zoned(TimeZone::UTC).checked_sub(before.months());
    let usual = begun.map_or(usual, |begun| begun.timestamp());
    // at most 32 bits, so that JSON readers with floating-point numbers don't round it
    (
        seed.unwrap_or_else(|| rand::random::<u32>().into()),
        base_time.unwrap_or(usual),
    )
}

fn receiver(text: &str) -> anyhow::Result<Url> {
    // the text is not printed: it may hold a password
    let mut url = Url::parse(text).map_err(|error| anyhow!("--url: {error}; such as http://127.0.0.1:8080"))?;
    if url.cannot_be_a_base() || !url.has_host() {
        bail!("--url names no host; such as http://127.0.0.1:8080");
    }
    if !url.username().is_empty() || url.password().is_some() {
        bail!("--url holds a user or a password, which no webhook is sent with; such as http://127.0.0.1:8080");
    }
    if url.scheme() != "http" {
        return Err(SendError::NotHttp(url.scheme().to_owned()).into());
    }
    if url.path() == "/" {
        url.set_path(MAIN_PATH);
    }
    Ok(url)
}

/// The settings of the further source that the URL names, if it names one.
fn source_of<'s>(url: &Url, settings: &'s Settings) -> Option<&'s SourceSettings> {
    let (_, name) = url.path().rsplit_once("/webhooks/")?;
    settings.sources.get(&Source::parse(name).ok()?)
}

fn signing_key(
    args: &SimulateArgs,
    own: Option<&SourceSettings>,
    settings: &Settings,
) -> anyhow::Result<Secret<String>> {
    if let Some(key) = &args.key {
        return Ok(key.clone());
    }
    let keys = match (&args.key_file, own, &settings.webhook_key) {
        (Some(path), ..) => {
            parse_keys(&data_dir::read_secret_file(path)?).map_err(|problem| anyhow!("{} {problem}", path.display()))?
        }
        (None, Some(own), _) => own.webhook_key.clone(),
        (None, None, Some(keys)) => keys.clone(),
        (None, None, None) => crate::settings::read_webhook_keys(&settings.data_dir)
            .context("there is no key to sign with: give --key-file, or the service's --data-dir")?,
    };
    keys.into_iter()
        .next()
        .context("there is no key to sign with: give --key-file")
}

fn number(text: &str, allowed: impl Fn(f64) -> bool, what: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && allowed(*number))
        .ok_or_else(|| what.to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0, "must be a number above 0")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |number| number >= 0.0, "must be 0 or a number above it")
}

fn chance(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| (0.0..=1.0).contains(&number),
        "must be a number from 0 to 1",
    )
}

#[expect(clippy::unnecessary_wraps, reason = "clap's value parsers return a Result")]
fn key(text: &str) -> Result<Secret<String>, String> {
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_leads_to_the_main_source() {
        let path = |text| receiver(text).map(|url| url.path().to_owned()).unwrap();
        assert_eq!(path("http://127.0.0.1:8080"), MAIN_PATH);
        assert_eq!(path("http://127.0.0.1:8080/"), MAIN_PATH);
        assert_eq!(path("http://127.0.0.1:8080/webhooks/sandbox"), "/webhooks/sandbox");
        for bad in [
            "127.0.0.1:8080",
            "localhost:8080",
            "https://h",
            "nonsense",
            "http://me:hunter2@h",
            "http://me:x/hunter2@h",
        ] {
            let error = receiver(bad).expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_seed_sends_the_same_all_day() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (noon, midnight) = (time("2026-01-02T12:00:00.5Z"), time("2026-01-02T00:00:00Z"));
        let once = NonZeroU32::MIN;
        assert_eq!(made_from(Some(7), None, once, noon), (7, midnight));
        assert_eq!(made_from(Some(7), Some(noon), once, midnight), (7, noon));
        assert_eq!(made_from(None, None, once, noon).1, time("2026-01-02T12:00:00Z"));
    }

    #[test]
    fn several_months_end_now() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let six = NonZeroU32::new(6).unwrap();
        assert_eq!(
            made_from(Some(7), None, six, time("2026-07-02T12:00:00Z")).1,
            time("2026-02-02T00:00:00Z")
        );
        let fixed = time("2026-06-01T00:00:00Z");
        assert_eq!(
            made_from(Some(7), Some(fixed), six, time("2026-07-02T12:00:00Z")).1,
            fixed
        );
    }
}
