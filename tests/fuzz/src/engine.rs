//! Plays a target: what was found before, the corpus, and variants of both.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use sha2::{Digest as _, Sha256};

use crate::variant::{self, Corpus};

/// Seconds that a target is played for, instead of a fixed number of variants.
pub const SECONDS: &str = "TOLLGATE_FUZZ_SECONDS";
/// The seed of variants of a timed run; the clock unless given.
pub const SEED: &str = "TOLLGATE_FUZZ_SEED";
/// A file that each input of a timed run is written to before it is tried, for a fault that ends the process.
pub const LAST: &str = "TOLLGATE_FUZZ_LAST";
/// The directory of inputs that broke a rule, instead of `found`.
pub const FOUND: &str = "TOLLGATE_FUZZ_FOUND";
/// What a summary of a timed run begins with, on standard error.
pub const SUMMARY: &str = "fuzz-summary";

/// Variants between two looks at the clock.
const ROUND: u32 = 64;
/// Inputs that are tried to make a found one smaller.
const SHRINKING: u32 = 400;

/// A parser, inputs that it knows, and the rules that hold for every input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As `cargo xtask fuzz NAME` has it.
    pub name: &'static str,
    /// The crate whose tests play it.
    pub package: &'static str,
    /// Good inputs, and bad ones of known kinds.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Variants of a test.
    pub variants: u32,
    /// Panics where a rule does not hold.
    pub check: fn(&[u8]),
}

/// An input for which a rule does not hold.
#[derive(Debug)]
struct Fault {
    input: Vec<u8>,
    reason: String,
}

impl Target {
    /// Play the target, as its environment says.
    ///
    /// # Panics
    /// A rule does not hold. The input is in `found` then.
    pub fn play(&self) {
        let known = self.known();
        for input in &known {
            if let Err(reason) = self.holds(input) {
                self.report(&Fault {
                    input: input.clone(),
                    reason,
                });
            }
        }
        let corpus = Corpus::new(known);
        let seconds = env::var(SECONDS).ok().and_then(|s| s.parse().ok());
        match seconds {
            None => {
                if let Err(fault) = self.vary(&corpus, self.variants, 1) {
                    self.report(&fault);
                }
            }
            Some(seconds) => self.play_for(&corpus, Duration::from_secs(seconds)),
        }
    }

    /// Everything that is played first.
    #[must_use]
    pub fn known(&self) -> Vec<Vec<u8>> {
        let mut known = (self.corpus)();
        let prefix = format!("{}-", self.name);
        let mut found: Vec<PathBuf> = fs::read_dir(found_dir())
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let digest = name.strip_prefix(&prefix);
                digest.is_some_and(|digest| digest.bytes().all(|b| b.is_ascii_hexdigit()))
            })
            .collect();
        found.sort();
        known.extend(found.iter().filter_map(|path| fs::read(path).ok()));
        known
    }

    fn play_for(&self, corpus: &Corpus, limit: Duration) {
        let clock = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(0))
        };
        let given = env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let (seed, begun) = (given.unwrap_or_else(clock), Instant::now());
        let mut variants = 0_u64;
        while begun.elapsed() < limit {
            if let Err(fault) = self.vary(corpus, ROUND, seed.wrapping_add(variants)) {
                self.report(&fault);
            }
            variants += u64::from(ROUND);
        }
        eprintln!("{SUMMARY} {} {variants}", self.name);
    }

    fn vary(&self, corpus: &Corpus, count: u32, seed: u64) -> Result<(), Fault> {
        let config = Config {
            cases: count,
            failure_persistence: None,
            max_shrink_iters: SHRINKING,
            ..Config::default()
        };
        let seed: [u8; 32] = Sha256::digest(seed.to_le_bytes()).into();
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let last = env::var_os(LAST).map(PathBuf::from);
        let played = runner.run(&variant::strategy(), |variant| {
            let input = variant.of(corpus);
            if let Some(last) = &last {
                fs::write(last, &input).map_err(|e| TestCaseError::fail(e.to_string()))?;
            }
            (self.check)(&input);
            Ok(())
        });
        match played {
            Ok(()) => Ok(()),
            Err(TestError::Fail(reason, variant)) => Err(Fault {
                input: variant.of(corpus),
                reason: reason.to_string(),
            }),
            Err(TestError::Abort(reason)) => panic!("{}: {reason}", self.name),
        }
    }

    fn holds(&self, input: &[u8]) -> Result<(), String> {
        let checked = catch_unwind(AssertUnwindSafe(|| (self.check)(input)));
        checked.map_err(|said| match said.downcast_ref::<String>() {
            Some(said) => said.clone(),
            None => "a rule does not hold".into(),
        })
    }

    fn report(&self, fault: &Fault) -> ! {
        let file = self.save(&fault.input);
        panic!(
            "{}: {}\ninput: {:?}\nsaved as {}; again with: cargo test -p {} fuzz_{}",
            self.name,
            fault.reason,
            String::from_utf8_lossy(&fault.input),
            file.display(),
            self.package,
            self.name
        );
    }

    fn save(&self, input: &[u8]) -> PathBuf {
        let digest: String = Sha256::digest(input)
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let file = found_dir().join(format!("{}-{digest}", self.name));
        if let Err(error) = fs::write(&file, input) {
            eprintln!("{}: {error}", file.display());
        }
        file
    }
}

fn found_dir() -> PathBuf {
    let usual = || concat!(env!("CARGO_MANIFEST_DIR"), "/found").into();
    env::var_os(FOUND).map_or_else(usual, PathBuf::from)
}
