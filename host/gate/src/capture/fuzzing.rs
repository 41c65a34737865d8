//! Doors to what reads rules about secrets, for fuzz targets.

use super::{DetectError, Detectors, gitleaks};

/// The detectors of these rules alone.
///
/// # Errors
/// [`DetectError`].
pub fn detectors(file: &str, rules: &str) -> Result<Detectors, DetectError> {
    Detectors::of(gitleaks::parse(file, rules)?)
}
