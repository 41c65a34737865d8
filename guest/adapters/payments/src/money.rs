//! Amounts, currencies and fees. Integers only: money is never a float.

use core::fmt::{self, Display, Formatter};

use tollgate_guest::arguments;

/// The largest integer that all JSON readers interpret alike, 2^53-1.
const MOST: u64 = (1 << 53) - 1;
/// The proportional part of the fee, in hundredths of a percent.
const BASIS_POINTS: u128 = 150;

/// The currencies of ISO 4217 without minor units, and those with three digits of them.
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";
/// All others that are in use, with two.
const TWO_DIGITS: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL \
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR \
    MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD \
    SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD YER ZAR \
    ZMW ZWG";

/// An amount in minor units: positive, and exact in every JSON reader.
#[arguments]
#[derive(Copy)]
#[serde(try_from = "u64")]
#[schemars(extend("minimum" = 1))]
pub(crate) struct Amount(u64);

impl Amount {
    pub(crate) fn minor(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Amount {
    type Error = String;

    fn try_from(minor: u64) -> Result<Self, String> {
        if (1..=MOST).contains(&minor) {
            Ok(Self(minor))
        } else {
            Err(format!("{minor} is not from 1 to {MOST}"))
        }
    }
}

/// A currency of ISO 4217.
#[arguments]
#[derive(Copy, PartialEq, Eq)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[A-Z]{3}$"))]
pub(crate) struct Currency {
    code: [u8; 3],
    digits: u32,
}

impl Currency {
    /// An amount for people.
    pub(crate) fn shown(self, minor: u64) -> String {
        let unit = 10_u64.pow(self.digits);
        match self.digits {
            0 => format!("{minor} {self}"),
            digits => format!(
                "{}.{:0width$} {self}",
                minor / unit,
                minor % unit,
                width = digits as usize
            ),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = [(NO_DIGITS, 0), (TWO_DIGITS, 2), (THREE_DIGITS, 3)]
            .into_iter()
            .find_map(|(codes, digits)| {
                codes
                    .split_whitespace()
                    .any(|code| code == text)
                    .then_some(digits)
            });
        match (digits, <[u8; 3]>::try_from(text.as_bytes())) {
            (Some(digits), Ok(code)) => Ok(Self { code, digits }),
            _ => Err(format!(
                "`{}` is not a currency of ISO 4217; write it like EUR",
                text.escape_debug()
            )),
        }
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

impl Display for Currency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.code
            .iter()
            .try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// The fee on a payment: 1.5 %, halves rounded up, and a quarter of the unit that has two digits less
/// (0.25 EUR, 25 JPY, 0.250 KWD).
pub(crate) fn fee(minor: u64, currency: Currency) -> u64 {
    let share = (u128::from(minor) * BASIS_POINTS + 5_000) / 10_000;
    let fixed = match currency.digits {
        3 => 250,
        _ => 25,
    };
    u64::try_from(share)
        .unwrap_or(u64::MAX)
        .saturating_add(fixed)
}

#[cfg(test)]
mod tests;
