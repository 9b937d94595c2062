# TRIPTYCH_SANITIZE goes to every target of ours; suppressions for third-party code lie beside this file.
if(TRIPTYCH_SANITIZE)
  add_compile_options(-fsanitize=${TRIPTYCH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TRIPTYCH_SANITIZE})
  if(TRIPTYCH_SANITIZE MATCHES thread)
    add_compile_options(-Wno-tsan)  # Boost.Asio has fences, which g++ says it cannot follow; none guards state of ours
  endif()
endif()
