// A module's directives: everything but the bodies of its functions.

#include <algorithm>

#include "declaration.h"
#include "lexer.h"
#include "ptx.h"

namespace llamaproof::ptx {

namespace {

template <size_t N> bool is_among(std::string_view word, const std::string_view (&words)[N]) {
    return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

// `.maxntid 256, 1, 1` and the like: the product of what follows.
int64_t take_bound(Lexer & lexer) {
    int64_t product = 1;
    while (lexer.kind() == Token::number) {
        product *= take_integer_within(lexer, 1, 1 << 30, "a launch bound");
        if (product > (int64_t(1) << 31)) lexer.fail("a launch bound out of range");
        if (!lexer.accept(",")) break;
    }
    return product;
}

// A directive between a function's parameters and its body.
void take_function_directive(Lexer & lexer, Function & function) {
    static constexpr std::string_view plain[] = {".noreturn", ".blocksareclusters"};
    static constexpr std::string_view bounds[] = {
        ".maxntid",      ".minnctapersm",    ".reqntid",           ".maxnreg",
        ".maxnctapersm", ".explicitcluster", ".reqnctapercluster", ".maxclusterrank"};
    const std::string word(lexer.text());
    lexer.advance();
    if (is_among(word, plain)) return;
    if (word == ".pragma") {
        while (lexer.kind() == Token::string || lexer.is(",")) lexer.advance();
        lexer.accept(";");
        return;
    }
    if (word == ".attribute") return lexer.skip_past(")");
    if (!is_among(word, bounds)) {
        throw Error(lexer.line(), "the directive '" + word + "' of a function is not known");
    }
    const int64_t bound = take_bound(lexer);
    if (word == ".maxntid" || word == ".reqntid") {
        function.max_threads = static_cast<int>(std::min<int64_t>(bound, 1 << 20));
    }
}

Function take_function(Lexer & lexer, bool entry) {
    Function function;
    function.entry = entry;
    function.line = lexer.line();
    if (!entry && lexer.is("(")) function.results = take_parameters(lexer);
    function.name = lexer.take_identifier("a function's name");
    if (lexer.is("(")) function.params = take_parameters(lexer);
    while (lexer.kind() == Token::directive) take_function_directive(lexer, function);
    if (lexer.is("{")) {
        function.body = lexer.take_braced(function.body_line);
        function.defined = true;
    } else {
        lexer.expect(";");
    }
    return function;
}

// A module may declare a function as often as it likes, and define it once.
void add(Module & module, Function function) {
    const auto known = module.functions.find(function.name);
    if (known == module.functions.end() || !known->second.defined) {
        module.functions[function.name] = std::move(function);
    } else if (function.defined) {
        throw Error(function.line, "the function '" + function.name + "' is defined twice");
    }
}

class ModuleParser {
public:
    explicit ModuleParser(Module & module) : module_(module), lexer_(module.text, 1) {}

    void parse() {
        while (!lexer_.at_end()) directive();
        if (module_.version.empty()) throw Error(1, "no .version directive: this is no PTX");
        if (module_.target.empty()) throw Error(1, "no .target directive: this is no PTX");
    }

private:
    void directive() {
        static constexpr std::string_view linking[] = {".visible", ".weak", ".common"};
        static constexpr std::string_view of_a_line[] = {".file", ".loc"};
        static constexpr std::string_view of_no_effect[] = {".pragma", ".alias"};
        if (lexer_.kind() != Token::directive) lexer_.fail("expected a directive");
        const std::string_view word = lexer_.text();
        if (is_among(word, of_a_line)) return lexer_.skip_line();
        if (is_among(word, of_no_effect)) return lexer_.skip_past(";");
        if (!is_header(word) && !is_among(word, linking) && word != ".extern" &&
            word != ".section" && word != ".entry" && word != ".func" && !space_of(word)) {
            lexer_.fail("an unknown directive");
        }
        lexer_.advance();
        if (is_header(word)) return header(word);
        if (word == ".extern") external_ = true;
        if (word == ".section") return skip_section();
        if (word == ".entry" || word == ".func") return function(word == ".entry");
        if (const auto space = space_of(word)) variables(*space);
    }

    static bool is_header(std::string_view word) {
        return word == ".version" || word == ".target" || word == ".address_size";
    }

    void header(std::string_view word) {
        if (word == ".version") {
            if (lexer_.kind() != Token::number) lexer_.fail("expected a version");
            module_.version = std::string(lexer_.text());
            lexer_.advance();
        } else if (word == ".target") {
            module_.target = lexer_.take_identifier("a target");
            while (lexer_.accept(",")) lexer_.take_identifier("a target option");
        } else if (take_integer_within(lexer_, 32, 64, "an address size") != 64) {
            lexer_.fail("only 64-bit addresses are carried out");
        }
    }

    void skip_section() {
        lexer_.skip_to("{");
        int line = 0;
        lexer_.take_braced(line);
    }

    void function(bool entry) {
        add(module_, take_function(lexer_, entry));
        external_ = false;
    }

    void variables(Space space) {
        do {
            module_.variables.push_back(take_variable(lexer_, space, external_));
        } while (lexer_.accept(","));
        lexer_.expect(";");
        external_ = false;
    }

    Module & module_;
    Lexer lexer_;
    bool external_ = false;  // of the next declaration
};

}  // namespace

std::unique_ptr<Module> parse_module(std::string text) {
    auto module = std::make_unique<Module>();
    module->text = std::move(text);
    while (!module->text.empty() && module->text.back() == '\0') module->text.pop_back();
    ModuleParser(*module).parse();
    return module;
}

}  // namespace llamaproof::ptx
