//! One form for numbers and dates that are written in several.

/// The most bytes of a word that is a number, a date or a time.
pub(super) const MAX_FORM: usize = 64;

/// The plain form of a number such as `1,000.00`, `$1000` or `1.000,00`: `1000`. `None` if it is not one.
pub(super) fn number(text: &str) -> Option<String> {
    let text = text.trim_start_matches(['$', '€', '£', '¥', '+']);
    let text = text.trim_end_matches(['$', '€', '£', '¥', '%']);
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    if digits.len() > 40 || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if !digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.'))
    {
        return None;
    }
    let (whole, fraction) = parts(digits)?;
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match fraction.is_empty() {
        true => format!("{minus}{whole}"),
        false => format!("{minus}{whole}.{fraction}"),
    })
}

/// Signs of units that stand before or after a number.
const UNITS: [char; 5] = ['$', '€', '£', '¥', '%'];

/// A number that a word says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    /// Without separators of thousands, zeros at its ends, and a plus.
    pub(super) plain: String,
    pub(super) unit: Option<char>,
    has_groups: bool,
}

impl Number {
    /// Reads a word. `None` if it is not a number, or one that is another elsewhere, such as `1.000`.
    pub(super) fn read(word: &str) -> Option<Self> {
        let before = word.chars().next().filter(|c| UNITS.contains(c));
        let after = word.chars().next_back().filter(|c| UNITS.contains(c));
        let (unit, bare) = match (before, after) {
            (Some(_), Some(_)) => return None,
            (Some(unit), None) => (Some(unit), word.strip_prefix(unit)?),
            (None, Some(unit)) => (Some(unit), word.strip_suffix(unit)?),
            (None, None) => (None, word),
        };
        let digits = bare.strip_prefix(['-', '+']).unwrap_or(bare);
        let is_digit = |c: char| c.is_ascii_digit();
        if !digits.starts_with(is_digit) || !digits.ends_with(is_digit) || is_ambiguous(digits) {
            return None;
        }
        let (whole, _) = parts(digits)?;
        let signs = digits.matches([',', '.']).count();
        let has_fraction = signs > 0 && whole.len() < digits.len() - signs;
        Some(Self {
            plain: number(bare)?,
            unit,
            has_groups: signs > usize::from(has_fraction),
        })
    }

    /// Whether it can only be a number: it has a unit or groups of thousands.
    pub(super) fn is_amount(&self) -> bool {
        self.unit.is_some() || self.has_groups
    }
}

/// Whether digits have one dot before the last three: of thousands, or of a fraction.
fn is_ambiguous(digits: &str) -> bool {
    digits.split_once('.').is_some_and(|(whole, rest)| {
        rest.len() == 3 && !whole.contains(',') && !rest.contains(['.', ','])
    })
}

/// The digits before and after the decimal separator.
fn parts(digits: &str) -> Option<(String, String)> {
    let last = digits.rfind([',', '.']);
    let Some(last) = last else {
        // Leading zeros belong to an identifier, not to a number.
        let plain = digits == "0" || !digits.starts_with('0');
        return plain.then(|| (digits.to_owned(), String::new()));
    };
    let (whole, fraction) = (digits.get(..last)?, digits.get(last + 1..)?);
    let separator = digits.get(last..=last)?;
    let other = if separator == "," { '.' } else { ',' };
    let groups_before = |text: &str, by: char| {
        let mut groups = text.split(by);
        let first = groups.next().unwrap_or_default();
        (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)
    };
    let repeats = whole.contains([',', '.']);
    if repeats && !whole.contains(other) {
        // The same separator twice: thousands.
        return groups_before(digits, separator.chars().next()?)
            .then(|| (join(digits), String::new()));
    }
    if repeats {
        return groups_before(whole, other).then(|| (join(whole), fraction.to_owned()));
    }
    if separator == "," && fraction.len() == 3 {
        return groups_before(digits, ',').then(|| (join(digits), String::new()));
    }
    Some((whole.to_owned(), fraction.to_owned()))
}

fn join(digits: &str) -> String {
    digits.chars().filter(char::is_ascii_digit).collect()
}

/// Names of months, by their first three letters.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const MONTH_NAMES: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A date at the beginning of `words`: its form `2024-05-01` or, without a year, `05-01`, and how many words
/// it takes. Days come first in `01.05.2024`; `01/05/2024` says neither and is not one.
pub(super) fn date(words: &[&str]) -> Option<(String, usize)> {
    let first = words.first()?;
    if let Some(date) = numeric_date(first) {
        return Some((date, 1));
    }
    let (month, day, used) = match (month(first), words.get(1)) {
        (Some(month), Some(second)) => (month, day(second)?, 2),
        (None, Some(second)) => {
            let day = day(first)?;
            match month_after(second, words.get(2)) {
                Some((month, used)) => (month, day, 1 + used),
                None => return None,
            }
        }
        _ => return None,
    };
    match words.get(used).and_then(|word| year(word)) {
        Some(year) => Some((format!("{year:04}-{month:02}-{day:02}"), used + 1)),
        None => Some((format!("{month:02}-{day:02}"), used)),
    }
}

/// `May`, or `of May`.
fn month_after(second: &str, third: Option<&&str>) -> Option<(u32, usize)> {
    match second {
        "of" => month(third?).map(|month| (month, 2)),
        name => month(name).map(|month| (month, 1)),
    }
}

fn numeric_date(word: &str) -> Option<String> {
    let separator = word.chars().find(|c| matches!(c, '-' | '/' | '.'))?;
    let parts: Vec<&str> = word.split(separator).collect();
    let is_number = |part: &&str| part.bytes().all(|b| b.is_ascii_digit());
    if !parts.iter().all(is_number) {
        return None;
    }
    let [a, b, c] = parts.as_slice() else {
        return None;
    };
    let (year, month, day) = match (a.len(), c.len()) {
        (4, 1 | 2) => (a, b, c),
        (1 | 2, 4) if word.contains('.') => (c, b, a),
        _ => return None,
    };
    let year = year.parse::<u32>().ok()?;
    let month = month.parse::<u32>().ok().filter(|m| (1..=12).contains(m))?;
    let day = day.parse::<u32>().ok().filter(|d| (1..=31).contains(d))?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

fn month(word: &str) -> Option<u32> {
    let is = |(i, short): (usize, &&str)| {
        let whole = MONTH_NAMES.get(i).copied().unwrap_or_default();
        word == *short || word == whole || (word == "sept" && *short == "sep")
    };
    let at = MONTHS.iter().enumerate().position(is)?;
    u32::try_from(at + 1).ok()
}

fn day(word: &str) -> Option<u32> {
    let digits = ["st", "nd", "rd", "th"]
        .iter()
        .find_map(|suffix| word.strip_suffix(suffix))
        .unwrap_or(word);
    let digits = digits.trim_end_matches('.');
    let is_number = digits.bytes().all(|b| b.is_ascii_digit());
    let day = digits.parse::<u32>().ok().filter(|_| is_number)?;
    (1..=31).contains(&day).then_some(day)
}

fn year(word: &str) -> Option<u32> {
    let year = word.parse::<u32>().ok()?;
    (word.len() == 4 && (1900..2200).contains(&year)).then_some(year)
}

/// A time of day: `10:00` for `10:00:00`.
pub(super) fn time(word: &str) -> Option<String> {
    let (clock, _) = word.split_once('.').unwrap_or((word, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let two = |part: &&str| part.len() <= 2 && !part.is_empty() && part.parse::<u32>().is_ok();
    match parts.as_slice() {
        [h, m] if two(h) && two(m) => Some(format!("{h:0>2}:{m:0>2}")),
        [h, m, s] if two(h) && two(m) && two(s) => Some(match *s {
            "00" => format!("{h:0>2}:{m:0>2}"),
            s => format!("{h:0>2}:{m:0>2}:{s:0>2}"),
        }),
        _ => None,
    }
}

/// A time of day that is certainly one, in its one form: `09:05` for `9:05:00`.
pub(super) fn clock(word: &str) -> Option<String> {
    let mut parts = word.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next());
    let fits = |part: &str, below: u32| {
        let is_number = part.bytes().all(|b| b.is_ascii_digit());
        is_number && part.parse::<u32>().is_ok_and(|n| n < below)
    };
    let two = |part: &str| part.len() == 2 && fits(part, 60);
    let is_time = (1..=2).contains(&hours.len())
        && fits(hours, 25)
        && two(minutes)
        && seconds.is_none_or(two)
        && parts.next().is_none();
    is_time.then(|| match seconds {
        None | Some("00") => format!("{hours:0>2}:{minutes}"),
        Some(seconds) => format!("{hours:0>2}:{minutes}:{seconds}"),
    })
}

/// `2024-05-01t10:00:00z`, as its two words.
pub(super) fn moment(word: &str) -> Option<(&str, &str)> {
    let (date, time) = word.split_once('t').filter(|_| word.len() <= MAX_FORM)?;
    let is_date = !date.contains('/') && numeric_date(date).is_some();
    let is_time = clock(time.strip_suffix('z').unwrap_or(time)).is_some();
    (is_date && is_time).then_some((date, time))
}

#[cfg(test)]
mod tests;
