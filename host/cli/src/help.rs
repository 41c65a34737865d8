//! Help texts, wrapped to the width of the terminal.
//!
//! In the sources, paragraphs have lines of a fixed width. Wrapped again for a narrower terminal, each long line
//! would be followed by a short one. So the lines of a paragraph are joined first.

use clap::Command;

/// The command with every paragraph of its help, and of its subcommands' help, on a line of its own.
pub(crate) fn reflow(command: Command) -> Command {
    let text = command.get_after_help().map(ToString::to_string);
    let command = match text {
        Some(text) => command.after_help(paragraphs(&text)),
        None => command,
    };
    command.mut_subcommands(reflow)
}

/// `text` with the lines of each paragraph joined. Indented lines, such as examples, and headings are not changed.
fn paragraphs(text: &str) -> String {
    let mut joined = String::new();
    let mut may_go_on = false;
    for line in text.lines() {
        let is_prose = !line.is_empty() && !line.starts_with(' ');
        if is_prose && may_go_on {
            joined.push(' ');
        } else if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(line);
        may_go_on = is_prose && !line.ends_with(':');
    }
    joined
}

#[cfg(test)]
mod tests;
