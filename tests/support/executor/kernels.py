"""PTX that tests write their own instructions into."""

from __future__ import annotations

PROLOGUE = """
.reg .b32 %t, %n, %c, %r<16>; .reg .b64 %i, %o, %x<8>; .reg .pred %p<4>; .reg .b16 %h<8>;
mov.u32 %t, %tid.x; mov.u32 %n, %ntid.x; mov.u32 %c, %ctaid.x; mad.lo.u32 %n, %c, %n, %t;
ld.param.u64 %i, [in]; ld.param.u64 %o, [out];
"""

# A lane gives 16 bytes to shared memory and takes 16 back; `code` is between.
MATRIX_KERNEL = """
.entry k(.param .u64 in, .param .u64 out, .param .u32 n)
{{
.shared .align 16 .b8 tile[512];
.reg .b32 %l, %s, %r<8>; .reg .b64 %p, %o; .reg .pred %q;
mov.u32 %l, %laneid;
ld.param.u64 %p, [in]; mad.wide.u32 %p, %l, 16, %p;
ld.global.v4.u32 {{%r0, %r1, %r2, %r3}}, [%p];
mov.u32 %s, tile; mad.lo.u32 %s, %l, 16, %s;
st.shared.v4.u32 [%s], {{%r0, %r1, %r2, %r3}};
bar.sync 0;
{code}
ld.param.u64 %o, [out]; mad.wide.u32 %o, %l, 16, %o;
st.global.v4.u32 [%o], {{%r0, %r1, %r2, %r3}};
ret;
}}
"""


def kernel(code: str, declarations: str = "") -> str:
    return (
        f"{declarations}\n.entry k(.param .u64 in, .param .u64 out)\n{{{PROLOGUE}{code}\nret;\n}}\n"
    )
