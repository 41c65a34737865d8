//! Paths of fields of the context.

use cedar_policy_core::ast::{Expr, ExprKind, Var};

/// The path of a context field. `None` for an approval, which is described separately.
pub(super) fn context_path(expr: &Expr) -> Option<Vec<String>> {
    let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else {
        return None;
    };
    let mut path = match expr.expr_kind() {
        ExprKind::Var(Var::Context) if attr == "approval" => return None,
        ExprKind::Var(Var::Context) => Vec::new(),
        _ => context_path(expr)?,
    };
    path.push(attr.to_string());
    Some(path)
}
