use super::*;

fn refusal(options: TokenStream, item: TokenStream) -> String {
    expand(options, item).unwrap_err().to_string()
}

#[test]
fn says_what_is_wrong() {
    let plain = quote!(
        /// Does.
        fn act(a: A) -> String {}
    );
    assert!(expand(quote!(read_only, title = "Act"), plain.clone()).is_ok());
    assert!(refusal(quote!(readonly), plain.clone()).contains("unknown option `readonly`"));
    assert!(refusal(quote!(read_only, destructive), plain.clone()).contains("both"));
    assert!(refusal(quote!(name = "a b"), plain).contains("not a tool name"));
    assert!(
        refusal(
            quote!(),
            quote!(
                fn act(a: A) -> String {}
            )
        )
        .contains("doc comment")
    );
    assert!(
        refusal(
            quote!(),
            quote!(
                #[doc = "x"]
                async fn act(a: A) -> String {}
            )
        )
        .contains("synchronous")
    );
    assert!(
        refusal(
            quote!(),
            quote!(
                #[doc = "x"]
                fn act<T>(a: T) -> String {}
            )
        )
        .contains("type parameters")
    );
    assert!(
        refusal(
            quote!(),
            quote!(
                #[doc = "x"]
                fn act(a: A, b: B) -> String {}
            )
        )
        .contains("one argument")
    );
    assert!(
        refusal(
            quote!(),
            quote!(
                #[doc = "x"]
                fn act(&self) -> String {}
            )
        )
        .contains("free function")
    );
}
