//! Doors to what reads answers of people, for fuzz targets.

use tollgate::config::SlackConfig;
use tollgate_model::record::AnswerRefusal;

use super::slack::Interaction;

/// A pressed button: the user who pressed it, and its value.
///
/// # Errors
/// Why it is refused.
pub fn interaction(body: &[u8], config: &SlackConfig) -> Result<(String, String), AnswerRefusal> {
    let interaction = Interaction::parse(body)?;
    let user = interaction.user(config)?.to_owned();
    Ok((user, interaction.value))
}
