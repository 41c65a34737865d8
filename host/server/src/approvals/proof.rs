//! Proofs that leave the gate and come back: in links, forms and buttons.

use subtle::ConstantTimeEq as _;
use tollgate::gate::Gate;
use tollgate_model::ids::hex;

/// What a proof is for. One for a link never counts in a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The text of a link.
    Link,
    /// A form that was shown by means of a link.
    Form,
    /// A button of a message in Slack.
    Button,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Link => "approval link",
            Self::Form => "approval form",
            Self::Button => "approval button",
        }
    }
}

/// The proof over `parts`: 64 hexadecimal digits.
pub(super) fn prove(gate: &Gate, purpose: Purpose, parts: &[&str]) -> String {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    hex(&gate.authentication_code(purpose.name(), &parts))
}

/// Whether `proof` is the one over `parts`; compares in constant time.
pub(super) fn is_proved(gate: &Gate, purpose: Purpose, parts: &[&str], proof: &str) -> bool {
    let expected = prove(gate, purpose, parts);
    expected.as_bytes().ct_eq(proof.as_bytes()).into()
}
