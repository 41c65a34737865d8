//! Enums that appear in records, columns, JSON and attributes: one spelling for all of them.

/// Gives an enum `as_str`, `from_name`, `Display` and serde, with the names that strum derives.
///
/// The enum derives `strum::IntoStaticStr`, `strum::EnumString` and `strum::VariantNames`.
#[macro_export]
macro_rules! named {
    ($name:ident) => {
        impl $name {
            /// The name in records, columns, JSON and attributes.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// The value with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                name.parse().ok()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name =
                    <::std::borrow::Cow<'de, str> as ::serde::Deserialize>::deserialize(from)?;
                Self::from_name(&name).ok_or_else(|| {
                    let names = <Self as ::strum::VariantNames>::VARIANTS;
                    <D::Error as ::serde::de::Error>::unknown_variant(&name, names)
                })
            }
        }
    };
}
