"""The tables of the catalogue: per family of tools, what its codes mean and how such problems are cured.

A head line is `domain | where the cure lies | difficulty, 1 to 5 | hint`; the indented lines below it are the codes,
of which a trailing `*` makes a prefix. Exact codes go before prefixes, longer prefixes before shorter ones.

The codes are from the tools' own indexes of errors and rules. Domains, difficulties (1 is mechanical, 2 asks for a
look at the place, 3 for one at the definition, 4 for a change around it, 5 for a new design) and hints are a
judgement, not a measurement.
"""

RUSTC = """
imports | definition | 2 | import the path that exists now, or add the missing module or dependency
    E0432 E0433 E0463 E0460 E0461 E0462 E0464 E0429 E0430 E0431 E0364 E0365 E0583 E0635
names | definition | 2 | import or define the name, or correct its spelling
    E0425 E0412 E0405 E0404 E0407 E0411 E0422 E0423 E0424 E0426 E0401 E0408 E0437 E0438 E0531 E0532 E0573 E0574
    E0575 E0576
definitions | definition | 2 | remove or rename one of the two definitions
    E0428 E0119 E0592 E0201 E0124 E0252 E0254 E0255 E0259 E0260 E0403 E0415 E0416 E0081
struct fields | definition | 2 | use the field's present name, or restore it in the struct
    E0609 E0560 E0559 E0063 E0062 E0610 E0615
methods | definition | 3 | call what the type has now, import the trait, or add the method
    E0599 E0034
visibility | definition | 2 | widen the visibility, or use the public way
    E0603 E0616 E0624 E0451 E0446 E0445 E0449 E0742
trait bounds | definition | 3 | implement or derive the trait at the type, or bound the type parameter
    E0277 E0204 E0184 E0117 E0120 E0116 E0118 E0210 E0207 E0275 E0276 E0038 E0367 E0366 E0371 E0390 E0199 E0206
trait items | definition | 3 | make the impl agree with its trait
    E0046 E0049 E0050 E0053 E0185 E0186 E0195 E0191 E0220 E0221 E0223 E0225 E0323 E0324 E0325 E0399
calls | definition | 2 | make the call agree with the signature
    E0061 E0057 E0060 E0618 E0593 E0631
generics | definition | 3 | give the types that cannot be inferred, or break the cycle
    E0107 E0229 E0282 E0283 E0284 E0072 E0391 E0720
types | definition | 3 | convert the value, or change the declared type
    E0308 E0271 E0326 E0369 E0600 E0604 E0605 E0606 E0607 E0608 E0614 E0620 E0067 E0069 E0070 E0512 E0562 E0666
borrow | definition | 3 | borrow or clone at the place, or make the type Copy where it lost that
    E0382 E0499 E0502 E0503 E0505 E0506 E0507 E0508 E0509 E0381 E0384 E0594 E0596 E0597 E0515 E0716 E0373 E0500
    E0501 E0510 E0521 E0524 E0712 E0713
lifetimes | definition | 4 | name the lifetime where the reference is declared
    E0106 E0261 E0262 E0263 E0309 E0310 E0311 E0312 E0478 E0491 E0495 E0621 E0623 E0700 E0226 E0227 E0228 E0581
    E0582 E0637 E0726 E0759 E0767 E0792
async | definition | 3 | make the function async, or wait at another place
    E0728 E0733 E0752 E0706 E0670 E0708
patterns | local | 2 | cover the missing cases, or correct the pattern
    E0004 E0005 E0023 E0026 E0027 E0029 E0030 E0164 E0165 E0297 E0527 E0528 E0529 E0530 E0586
unsafe | local | 3 | wrap the operation in unsafe and state why it is sound
    E0133 E0200 E0197 E0198
constants | local | 3 | compute it at run time, or call const functions only
    E0015 E0010 E0080 E0435 E0744 E0764
toolchain | local | 2 | avoid the unstable feature, or move to a toolchain that has it
    E0554 E0658 E0557 E0636 E0705
attributes | local | 2 | correct the attribute
    E0452 E0453 E0466 E0517 E0518 E0536 E0537 E0539 E0541 E0565 E0589 E0774 E0777 E0788
unused code | local | 1 | remove what nothing uses
    unused_* dead_code unreachable_* redundant_*
deprecated | local | 2 | use the successor that the message names
    deprecated deprecated_*
naming | local | 1 | rename by the convention
    non_snake_case non_camel_case_types non_upper_case_globals nonstandard_*
documentation | local | 2 | write what is missing
    missing_docs rustdoc::* missing_*
style | local | 2 | write it as clippy shows
    clippy::*
types | definition | 3 | rustc --explain tells about the code
    E0*
"""

TYPESCRIPT = """
imports | definition | 2 | install the package or its types, or correct the path or the exported name
    TS2307 TS2792 TS7016 TS2305 TS2306 TS2613 TS2614 TS2724 TS1192 TS1259 TS2497 TS2691 TS5097 TS6137 TS2732 TS2834
    TS2835
configuration | definition | 2 | correct tsconfig, or install the type package it names
    TS2688 TS6053 TS5*
names | definition | 2 | import or declare the name, or add its types or library to tsconfig
    TS2304 TS2552 TS2503 TS2580 TS2582 TS2583 TS2584 TS2591 TS2592 TS2593 TS2662 TS2663 TS18004
definitions | definition | 2 | remove or rename one of the two declarations
    TS2300 TS2393 TS2451 TS2395 TS2440 TS2323 TS2528 TS2567
struct fields | definition | 2 | declare the property on the type, or use the one that it has
    TS2339 TS2551 TS2576 TS2353 TS2561 TS2741 TS2739 TS2740 TS2540 TS2341 TS2445
calls | definition | 3 | make the call agree with the signature
    TS2554 TS2555 TS2556 TS2769 TS2349 TS2351 TS2348 TS2350 TS2558 TS2394
generics | definition | 4 | constrain the type parameter where it is declared
    TS2344 TS2314 TS2315 TS2347 TS2707 TS2589 TS2536 TS2313
initialisation | local | 1 | initialise it, or state that it is set elsewhere
    TS2564 TS2565 TS2454 TS2448 TS2449
null safety | local | 2 | check for null, or make the type say that it cannot be
    TS2531 TS2532 TS2533 TS2721 TS2722 TS2723 TS18047 TS18048 TS18049
annotations | local | 2 | state the type that cannot be inferred, or narrow it before use
    TS18046 TS2571 TS2683 TS7005 TS7006 TS7008 TS7009 TS7010 TS7011 TS7015 TS7017 TS7018 TS7019 TS7022 TS7023 TS7024
    TS7031 TS7034 TS7053 TS70*
overrides | definition | 3 | make the member agree with its base
    TS2416 TS2415 TS2420 TS2430 TS2515 TS2611 TS2610 TS4112 TS4113 TS4114 TS2417
async | local | 2 | make the function async, or await the promise
    TS1308 TS1375 TS1378 TS2801 TS1064 TS1055 TS1311
unused code | local | 1 | remove what nothing uses
    TS6133 TS6192 TS6196 TS6198 TS6138 TS7027 TS7028 TS2578
deprecated | local | 2 | use the successor that the message names
    TS6385 TS6387
jsx | local | 2 | correct the JSX
    TS17* TS26004
configuration | definition | 2 | raise the language target or library in tsconfig
    TS1501 TS1503 TS2802 TS2550 TS1343
syntax | local | 1 | correct the syntax; later errors in the file may be its aftermath
    TS1*
types | definition | 3 | convert the value, or change the declared type
    TS2* TS18* TS4* TS9*
configuration | definition | 2 | correct tsconfig or the command
    TS6*
syntax | local | 2 | TypeScript's syntax does not belong in a JavaScript file
    TS8*
"""

MYPY = """
imports | definition | 2 | install the package or its stubs, or tell mypy to ignore its absence
    import import-not-found import-untyped
syntax | local | 1 | correct the syntax: nothing of the file was checked
    syntax
names | local | 2 | import or define the name
    name-defined used-before-def possibly-undefined
definitions | local | 2 | rename one of the two definitions
    no-redef
attributes | definition | 3 | declare the attribute on the type, or narrow the value first
    attr-defined union-attr has-type method-assign
annotations | definition | 2 | annotate the definition; its callers follow
    no-untyped-call no-untyped-usage no-any-unimported no-any-return disallow-any-* untyped-decorator
    unimported-reveal
annotations | local | 2 | write the annotation
    no-untyped-def var-annotated type-arg annotation-unchecked explicit-any
calls | definition | 3 | make the call agree with the signature, or correct the signature
    call-arg call-overload arg-type func-returns-value
overrides | definition | 3 | make the member agree with its base
    override mutable-override abstract explicit-override safe-super empty-body
types | local | 3 | convert the value, or change the declared type
    assignment return-value return list-item dict-item index operator misc typeddict-* str-* type-var valid-type
    valid-newtype exit-return comparison-overlap deprecated metaclass overload-* literal-required
async | local | 3 | await the value, or make the function async
    await-not-async top-level-await unused-awaitable unused-coroutine async-*
unused code | local | 1 | remove it
    unused-ignore redundant-* unreachable ignore-without-code truthy-* unused-*
"""

PYRIGHT = """
imports | definition | 2 | install the package or its stubs, or correct the path
    reportMissingImports reportMissingModuleSource reportMissingTypeStubs reportImportCycles
    reportAttributeAccessIssue.import
names | local | 2 | import or define the name on every path
    reportUndefinedVariable reportUnboundVariable reportPossiblyUnbound*
definitions | local | 2 | rename one of the two definitions
    reportRedeclaration reportDuplicate*
attributes | definition | 3 | declare the attribute on the class, or narrow the value first
    reportAttributeAccessIssue reportFunctionMemberAccess reportUninitializedInstanceVariable
null safety | local | 2 | check for None, or make the type say that it cannot be
    reportOptional*
calls | definition | 3 | make the call agree with the signature, or correct the signature
    reportCallIssue reportCallInDefaultInitializer reportArgumentType
overrides | definition | 3 | make the member agree with its base
    reportIncompatible* reportInconsistent* reportAbstractUsage reportImplicitOverride
annotations | local | 2 | write the annotation
    reportUnknown* reportMissingParameterType reportMissingTypeArgs reportUntyped* reportMissingTypeArgument
    reportAny reportExplicitAny reportUnannotated*
async | local | 2 | await the coroutine
    reportUnusedCoroutine
unused code | local | 1 | remove it
    reportUnused* reportUnnecessary* reportUnreachable
visibility | local | 2 | use the public name
    reportPrivateUsage reportPrivateImportUsage reportPrivate*
style | local | 1 | write it by the convention
    reportSelfClsParameterName reportConstantRedefinition reportTypeCommentUsage reportWildcard*
    reportImplicitStringConcatenation
deprecated | local | 2 | use the successor
    reportDeprecated
strings | local | 1 | escape the backslash, or use a raw string
    reportInvalidStringEscapeSequence
types | local | 3 | convert the value, or change the declared type
    reportInvalidTypeForm reportInvalidType* reportGeneralTypeIssues reportAssignmentType reportReturnType
    reportOperatorIssue reportIndexIssue reportTypedDict* reportNoOverloadImplementation reportAssert*
types | local | 3 | the rule's page tells more
    report*
"""

PYTHON_LINT = """
syntax | local | 1 | correct the syntax: nothing after it was checked
    invalid-syntax syntax-error E9*
unused code | local | 1 | remove it, or mark it as meant
    F401 F811 F841 F842 F504 F522 F523 ERA* ARG* RUF059 RUF100 B007 B018 UP010 PIE790 PLW0120
names | local | 2 | import or define the name
    F82* PLE0118 PLE0604 PLE0605
imports | local | 1 | order, move or name the imports
    F403 F405 I* E401 E402 TID* TC* TCH* ICN* PLC0414 PLC0415 PLC2701 PLR0402 INP* FA* UP035
formatting | local | 1 | let a formatter do it
    E1* E2* E3* E5* E70* W1* W2* W3* W5* W6* Q* COM* ISC*
strings | local | 1 | write the string unambiguously
    W605 UP012 UP025 RUF001 RUF002 RUF003 PLE25*
style | local | 1 | write it as the rule shows
    E4* E7* PIE* PLC* PLR* RUF*
likely bugs | local | 2 | look whether it is meant; the rule's page tells the safe form
    F* B* PLE* PLW* YTT* PGH* FBT* SLF* PD* NPY* T10* E721 E722 E711 E712 RUF008 RUF009 RUF012 RUF015 RUF018 RUF034
modernisation | local | 1 | write it in today's idiom, as the rule shows
    UP* FURB* FLY* C4* SIM* RET* PLR17* PLR5* RUF005 RUF010 RUF022 RUF023 RUF046 RUF051 SLOT*
paths | local | 2 | use pathlib in place of os.path
    PTH*
tests | local | 1 | write it in pytest's idiom
    PT*
logging | local | 1 | give the arguments to the logger, not to a format
    G* LOG*
annotations | local | 2 | write the annotation
    ANN* RUF013 RUF045 PYI*
documentation | local | 2 | write or lay out the docstring
    D* DOC*
naming | local | 2 | rename the definition and its uses
    N*
naming | local | 1 | choose a name that shadows no builtin
    A*
complexity | local | 4 | divide the function, or name the constant
    C90* PLR09* PLR1702 PLR2004
security | local | 3 | use the safe way, or state why it is safe
    S*
exceptions | local | 2 | catch and raise precisely
    BLE* TRY* EM* B904 RSE* S110 S112 PLW0133
async | local | 3 | do not block the event loop, and keep the task
    ASYNC* TRIO* RUF006 RUF029
time zones | local | 2 | say which time zone is meant
    DTZ*
performance | local | 2 | write it as the rule shows
    PERF*
printing | local | 1 | log it, or remove it
    T20*
comments | local | 1 | write the comment or header in the agreed form
    TD* FIX* CPY* EXE*
frameworks | local | 2 | use the framework as its rule tells
    DJ* AIR* FAST* INT*
"""

PYLINT = """
syntax | local | 1 | correct the syntax or the file's name: nothing of it was checked
    E0001 syntax-error E0011 E0012 F0001 F0010
imports | local | 1 | install, order or correct the imports
    E0402 E0611 C0410 import-error no-name-in-module wrong-import-order wrong-import-position ungrouped-imports
    C0411 C0412 C0413 C0414 C0415 R0401 R0402 W0401 W0404 W0406 W0407 W0410 W0416
imports | definition | 2 | install the package, or correct the path
    E0401
names | local | 2 | import or define the name
    E0602 undefined-variable used-before-assignment possibly-used-before-assignment E0601 E0603 E0604 E0606 W0631
definitions | local | 2 | rename one of the two definitions
    E0102
attributes | definition | 3 | declare the attribute on the class, or use the public one
    E1101 no-member protected-access attribute-defined-outside-init E1103 W0201 W0212
calls | definition | 3 | make call, override and signature agree
    E1120 no-value-for-parameter too-many-function-args unexpected-keyword-arg arguments-differ E1121 E1123 E1124
    E1125 E1111 E1128 W1113 W0221 W0222 E0240 E0213 E0211 W0223 W0231 W0233 W0246
unused code | local | 1 | remove what nothing uses
    W0611 unused-* W0612 W0613 W0614 W0641 W0101 W0104 W0105 W0106 W0107 W0301 W0305 R1711
documentation | local | 2 | write the docstring
    C0114 missing-* C0115 C0116 C0112
naming | local | 2 | rename by the convention
    C0103 invalid-name redefined-* C0104 C0105 C0131 C0132 W0621 W0622
formatting | local | 1 | let a formatter do it
    C03* line-too-long trailing-* W0311 W0312
complexity | local | 4 | divide it, or share what is said twice
    R09* too-many-* too-few-* duplicate-code R0801 R1702 R0911 R0912
exceptions | local | 2 | catch and raise precisely
    W07* broad-* bare-except raise-missing-from W1510 R1720
comments | local | 1 | do what the comment asks, or remove it
    W05* W0511
logging | local | 1 | give the arguments to the logger, not to a format
    W12*
deprecated | local | 2 | use the successor
    W4*
style | local | 1 | write it as the rule shows
    R1* C01* C02* C1* C2* R6*
types | local | 3 | convert the value, or correct its type
    E11* E*
likely bugs | local | 2 | look whether it is meant
    W* R*
configuration | local | 2 | correct pylint's configuration
    I* F*
"""

C_COMPILER = """
imports | definition | 2 | include the header that declares it
    -Wimplicit-function-declaration -Wmissing-include-dirs
conversions | local | 2 | convert on purpose, or change the variable's type
    -Wconversion -Wsign-conversion -Wfloat-conversion -Wsign-compare -Wshorten-64-to-32 -Wimplicit-int*
    -Wimplicit-float* -Wimplicit-const* -Wdouble-promotion -Warith-conversion -Wfloat-equal -Wenum-conversion
    -Wcast* -Woverflow -Wconstant-conversion -Wbool* -Wint-* -Wpointer-* -Wincompatible-* -Wdiscarded-qualifiers
unused code | local | 1 | remove it, or mark it as unused
    -Wunused* -Wunreachable* -Wextra-semi* -Wempty-*
initialisation | local | 2 | initialise it on every path
    -Wmissing-field-initializers -Wuninitialized -Wmaybe-uninitialized -Wsometimes-uninitialized
    -Wconditional-uninitialized -Wmissing-braces
deprecated | local | 3 | use the successor that the message names
    -Wdeprecated* -Wcpp
declarations | local | 1 | declare it in a header, or make it static
    -Wmissing-prototypes -Wmissing-declarations -Wmissing-variable-declarations -Wstrict-prototypes -Wold-style*
    -Wredundant-decls -Wnested-externs
memory | local | 4 | prove the bounds and lifetime, or change the code so that they hold
    -Wunsafe-buffer-usage* -Warray-bounds* -Wstringop* -Wformat-overflow* -Wformat-truncation* -Wuse-after-free*
    -Wfree-* -Wmismatched-* -Wdangling-* -Wreturn-local-addr -Wreturn-stack-address -Wvla* -Walloca*
    -Wnull-dereference -Wnonnull* -Wrestrict -Wmemset*
format strings | local | 1 | make the format agree with the argument
    -Wformat*
likely bugs | local | 2 | look whether it is meant, and say so in the code
    -Wreturn-type -Wswitch* -Wimplicit-fallthrough* -Wcovered-switch-default -Wlogical* -Wparentheses*
    -Wdangling-else -Wmisleading-indentation -Wshadow* -Wduplicated* -Wtautological* -Wself-* -Wsizeof-*
    -Wsequence-point -Wunsequenced -Waddress* -Wcomma -Winfinite-* -Wstrict-aliasing* -Winline
portability | local | 1 | write it in the standard's words, or drop the warning for the tree
    -Wreserved-* -Wc++* -Wc99* -Wc11* -Wc23* -Wpedantic* -Wgnu-* -Wvariadic-* -Wpre-c* -Wextra -Wlong-long
    -Wlanguage-extension-token -Wkeyword-macro -Wstatic-in-inline -Wdeclaration-after-statement
layout | local | 1 | order the members by size, or accept the padding
    -Wpadded -Wpacked*
documentation | local | 1 | correct the comment
    -Wdocumentation* -Wcomment
preprocessor | local | 2 | define the macro before it is asked for
    -Wundef -Wmacro-* -Wbuiltin-macro* -Wexpansion-to-defined -W#*
classes | local | 2 | declare what the class means to override or own
    -Weffc++ -Wnon-virtual-dtor -Woverloaded-virtual* -Wsuggest-override -Winconsistent-missing-override -Wreorder*
    -Wdelete-*
configuration | local | 1 | remove what the compiler does not know
    -Wno-* -Wunknown-* -Wignored-*
likely bugs | local | 3 | look whether it is meant, and say so in the code
    clang-analyzer-* bugprone-*
style | local | 2 | write it as the check shows
    readability-* modernize-* google-* llvm-* cppcoreguidelines-* misc-* cert-* hicpp-* fuchsia-* performance-*
    portability-*
likely bugs | local | 2 | look whether it is meant, and say so in the code
    -W*
"""

ESLINT = """
syntax | local | 1 | correct the syntax: nothing of the file was checked
    parse-error fatal
formatting | local | 1 | let a formatter do it
    indent indent-* quotes quote-props semi semi-* comma-* brace-style space-* spaced-comment switch-case-spacing
    keyword-spacing key-spacing arrow-spacing block-spacing array-bracket-* object-curly-* computed-property-spacing
    func-call-spacing no-trailing-spaces no-multi-spaces no-multiple-empty-lines no-mixed-spaces-and-tabs no-tabs
    eol-last linebreak-style max-len padded-blocks padding-line-* newline-* lines-* operator-linebreak dot-location
    no-whitespace-before-property no-extra-parens no-extra-semi new-parens no-floating-decimal jsx-quotes wrap-*
    template-curly-spacing template-tag-spacing rest-spread-spacing switch-colon-spacing function-paren-newline
    function-call-argument-newline implicit-arrow-linebreak nonblock-statement-body-position generator-star-spacing
    yield-star-spacing unicode-bom array-element-newline object-property-newline multiline-ternary
    one-var-declaration-per-line prettier prettier/* @stylistic/* style/*
modernisation | local | 1 | write it in today's idiom, as the rule shows
    no-var prefer-* object-shorthand arrow-body-style arrow-parens one-var vars-on-top no-useless-concat
    operator-assignment logical-assignment-operators no-new-object no-array-constructor no-object-constructor
    require-unicode-regexp
names | definition | 2 | import or define the name, or declare the global in the configuration
    no-undef no-use-before-define no-restricted-globals block-scoped-var
imports | local | 2 | install, order or correct the imports
    import/* n/* node/* sort-imports no-duplicate-imports no-restricted-imports no-restricted-modules
imports | definition | 2 | install the package, or correct the path
    import/no-unresolved n/no-missing-import n/no-missing-require node/no-missing-import node/no-missing-require
unused code | local | 1 | remove it
    no-unused-* no-useless-* no-unreachable* no-empty* no-lone-blocks no-unneeded-ternary no-else-return
    no-lonely-if no-extra-*
complexity | local | 4 | divide the function, or name the constant
    complexity max-* no-magic-numbers no-nested-ternary
definitions | local | 2 | rename or remove one of the two
    no-redeclare no-dupe-* no-duplicate-* no-shadow no-shadow-* no-func-assign no-class-assign no-import-assign
    no-label-var
naming | local | 2 | rename the definition and its uses
    id-* new-cap func-names func-name-matching consistent-this no-underscore-dangle
security | local | 3 | use the safe way
    no-eval no-implied-eval no-new-func no-script-url security/*
async | local | 3 | await the promise, or handle its failure
    require-await no-await-in-loop no-async-promise-executor no-promise-executor-return require-atomic-updates
    promise/* no-floating-promises no-misused-promises await-thenable
annotations | local | 2 | state the type
    no-unsafe-* no-explicit-any explicit-* ban-ts-comment ban-types no-non-null-* restrict-*
    strict-boolean-expressions
documentation | local | 2 | write the comment
    valid-jsdoc require-jsdoc jsdoc/* tsdoc/*
likely bugs | local | 3 | make the dependencies of the hook complete
    react-hooks/*
frameworks | local | 2 | use the framework as its rule tells
    react/* vue/* angular/* @angular-eslint/* svelte/* solid/* jsx-a11y/* @next/*
tests | local | 1 | write the test as the rule tells
    jest/* vitest/* mocha/* cypress/* testing-library/* playwright/*
style | local | 1 | write it as the rule shows
    curly yoda dot-notation sort-* strict camelcase capitalized-comments consistent-return default-case* no-console
    no-alert no-debugger no-plusplus no-continue no-bitwise no-ternary no-undefined no-void no-with
    no-warning-comments no-inline-comments line-comment-position multiline-comment-style no-negated-condition
    no-mixed-operators no-multi-assign no-multi-str no-octal* no-proto no-sequences no-return-assign no-labels
    guard-for-in radix func-style init-declarations accessor-pairs grouped-accessor-pairs class-methods-use-this
    symbol-description no-restricted-syntax no-confusing-arrow no-implicit-coercion no-undef-init no-new
    no-new-wrappers no-regex-spaces no-div-regex unicorn/* sonarjs/* lines-around-*
likely bugs | local | 2 | look whether it is meant
    no-param-reassign no-prototype-builtins no-constant-condition eqeqeq no-cond-assign no-fallthrough no-self-*
    no-loss-of-precision no-control-regex no-irregular-whitespace no-sparse-arrays no-unexpected-multiline
    no-unsafe-finally no-unsafe-negation use-isnan valid-typeof no-invalid-this no-loop-func array-callback-return
    for-direction getter-return
likely bugs | local | 2 | the rule's page tells the safe form
    no-* require-* valid-* *
"""

GO = """
format strings | local | 1 | make the format agree with the argument
    printf
concurrency | local | 3 | do not copy or outlive what is shared
    copylocks atomic lostcancel loopclosure sigchanyzer waitgroup testinggoroutine
unused code | local | 2 | use the result, or remove the code
    unusedresult assign unreachable nilness unusedwrite
style | local | 1 | write it as vet shows
    composites structtag stdmethods stringintconv tests buildtag directive
likely bugs | local | 2 | the analyser's page tells more
    *
"""

TESTS = """
imports | definition | 2 | install the package, or correct the import
    ImportError ModuleNotFoundError
syntax | definition | 1 | correct the syntax: nothing of the module ran
    SyntaxError IndentationError TabError
attributes | definition | 3 | use the name that the object has now
    AttributeError
names | definition | 2 | import or define the name
    NameError UnboundLocalError ReferenceError
calls | definition | 3 | make the call agree with the signature, or the value with the type
    TypeError
assertions | local | 3 | find out whether the test or the code is wrong
    AssertionError Failed failure AssertionFailedError ComparisonFailure AssertionFailure
data access | definition | 3 | check what is there before it is taken
    KeyError IndexError StopIteration LookupError
values | definition | 3 | find where the wrong value comes from
    ValueError ArithmeticError ZeroDivisionError OverflowError FloatingPointError UnicodeError UnicodeDecodeError
    UnicodeEncodeError
environment | definition | 2 | give the test the file, right or service that it needs
    FileNotFoundError PermissionError OSError IOError ConnectionError ConnectionRefusedError ConnectionResetError
    BrokenPipeError NotADirectoryError IsADirectoryError FileExistsError
async | definition | 4 | find what never comes, before the limit is raised
    TimeoutError Timeout* asyncio.TimeoutError CancelledError
resources | definition | 4 | find what grows without an end
    RecursionError MemoryError SystemExit KeyboardInterrupt
deprecated | definition | 2 | use the successor that the message names
    DeprecationWarning PendingDeprecationWarning FutureWarning RuntimeWarning UserWarning ResourceWarning
fixtures | definition | 2 | mend the set-up that the tests share
    fixture collection error
missing code | definition | 4 | write what is missing
    NotImplementedError
exceptions | definition | 3 | find where the exception is raised and why
    *
"""

# Indented lines are expressions that are searched for in the message, one a line; the first that fits decides.

RUSTC_MESSAGES = r"""
async | definition | 3 | let nothing that is not Send live across an await, or keep the work on one thread
    cannot be (?:sent|shared) between threads safely
    is not a future
names | definition | 2 | import or define the name, or correct its spelling
    ^cannot find (?:macro|attribute|derive macro)|^cannot determine resolution
environment | definition | 3 | give the linker or the build what it lacks
    ^linking with|^failed to|^couldn't |^could not |^can't find crate
lifetimes | definition | 4 | name the lifetime where the reference is declared
    ^lifetime may not live long|^borrowed data escapes|^captured variable cannot escape
unused code | local | 1 | remove what nothing uses
    ^unused |^unnecessary |^unreachable |is never (?:used|read)|does not need to be mutable
syntax | local | 1 | correct the syntax; later errors in the file may be its aftermath
    ^expected |^un(?:closed|terminated|expected|matched)|^mismatched closing|^missing |contains an un|^invalid
"""

C_MESSAGES = r"""
imports | definition | 2 | install the library, or add its folder to the include path
    No such file or directory|file not found
linking | definition | 3 | link the library or object that defines it
    undefined (?:reference|symbol)|cannot find -l|multiple definition
memory | local | 4 | prove the bounds and lifetime, or change the code so that they hold
    ^unsafe (?:buffer|pointer)|^array index|out of bounds|address of stack
names | definition | 2 | include the header that declares it, or correct its spelling
    undeclared|not declared|unknown type name|does not name a type|^implicit declaration
struct fields | definition | 2 | use the member's present name, or restore it in the struct
    has no member|no member named|in something not a structure
types | definition | 3 | include or complete the definition of the type
    undefined type|incomplete type|^storage size|^invalid application|declared inside parameter list
definitions | definition | 2 | remove or rename one of the two definitions
    redefinition|redeclaration|conflicting types
calls | definition | 3 | make the call agree with the declaration
    too (?:few|many) arguments|no matching function
initialisation | local | 2 | initialise it on every path
    uninitialized|missing initializer
declarations | local | 1 | declare it in a header, or make it static
    ^no previous (?:prototype|extern)| declared here$|without a prototype|is used in an inline function
conversions | local | 2 | convert on purpose, or change the variable's type
    implicit conversion|^conversion|^(?:un)?signed conversion|^cast from|^comparison of integers
    incompatible (?:pointer|integer)|makes (?:pointer|integer)|loses integer|drops const|discards
portability | local | 1 | write it in the standard's words, or drop the warning for the tree
    ^extension used|reserved identifier|is reserved because|incompatible with standards|requires target feature
unused code | local | 1 | remove it, or mark it as unused
    ^unused |is not used|has no effect|set but not used|never read|unreachable
layout | local | 1 | order the members by size, or accept the padding
    ^padding
format strings | local | 1 | make the format agree with the argument
    ^format (?:specifies|string)|data argument
documentation | local | 1 | correct the comment
    documentation|command tag|not found in the function declaration|paragraph
preprocessor | local | 2 | define the macro before it is asked for
    is not defined, evaluates|^#(?:error|warning)|headers? available|^Invalid [A-Z_]+$
likely bugs | local | 2 | look whether it is meant, and say so in the code
    fall-through|switch|case value|control reaches|parentheses|shadow
syntax | local | 1 | correct the syntax; later errors in the file may be its aftermath
    ^expected |^stray |^missing terminating|^unterminated|^extraneous|syntax error
"""

# A code that is no type of exception, and what breaks every test of a folder.
TESTS_MESSAGES = r"""
fixtures | definition | 2 | mend the set-up that the tests share
    (?:while loading|in) conftest|fixture '.*' not found|ScopeMismatch
imports | definition | 2 | install the package, or correct the import
    ^(?:\w*Error: )?(?:No module named|cannot import name)
"""
