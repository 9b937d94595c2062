# cmake -DFOLDER=... -DOUTPUT=... -P embed_files.cmake: writes a C++ file that defines PageFiles()
# of router/http/embedded_file.h with all files of the folder that a page is made of.
set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")

file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*.html ${FOLDER}/*.js ${FOLDER}/*.css ${FOLDER}/*.svg)
list(SORT files)
set(arrays)
set(entries)
set(number 0)
foreach(name ${files})
  string(REGEX REPLACE ".*\\." "" extension ${name})
  file(READ ${FOLDER}/${name} hex HEX)
  file(SHA256 ${FOLDER}/${name} digest)
  string(SUBSTRING ${digest} 0 32 digest)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${hex}")
  string(APPEND arrays "constexpr char kFile${number}[] = \"${bytes}\";\n")
  string(APPEND entries "    {\"${name}\", \"${type_${extension}}\", \"\\\"${digest}\\\"\",\n"
                        "     {kFile${number}, sizeof(kFile${number}) - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT}
"#include \"router/http/embedded_file.h\"

namespace triptych::router {
namespace {

${arrays}
constexpr EmbeddedFile kFiles[] = {
${entries}};

}  // namespace

std::span<const EmbeddedFile> PageFiles() { return kFiles; }

}  // namespace triptych::router
")
