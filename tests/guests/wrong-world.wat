;; A component of another world: valid, but it asks for what no gate has, so it is refused.
(component
  (import "acme:clock/now@1.0.0" (instance))
  (core module $m
    (func (export "answer") (result i32) i32.const 42))
  (core instance $i (instantiate $m))
  (func (export "answer") (result s32) (canon lift (core func $i "answer"))))
